import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { serve } from "../../demo/serve.mjs";
import { launchChromium } from "./chromium";
import type { Ran } from "./pages/vitest";

/** Milliseconds without a test finished after which a page is given up. */
const STALLED = 240_000;
const golden = join("test", "golden");

const standIn = (file: string) => resolve(`test/browser/pages/${file}.ts`);

/** In the page, vitest, files and the platform are stand-ins or the browser's own, and so is the device. */
const inPage: Plugin = {
  name: "in-page",
  setup({ onResolve }) {
    const aliases: readonly (readonly [RegExp, string])[] = [
      [/^vitest$/, standIn("vitest")],
      [/^node:(?:fs|fs\/promises|path)$/, standIn("files")],
      [/checkpoint\/source-node$/, standIn("files")],
      [/gpu\/open-node$/, resolve("src/gpu/open-browser.ts")],
      [/platform\/node$/, resolve("src/platform/browser.ts")],
    ];
    for (const [filter, path] of aliases) onResolve({ filter }, () => ({ path }));
  },
};

/** A folder with a page that runs these test files, and the golden tensors beside it. */
async function pageOf(files: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "injectfusion-kernels-"));
  cpSync(golden, join(folder, "golden"), { recursive: true });
  const fetched = readdirSync(golden, { recursive: true, encoding: "utf8" })
    .filter((file) => statSync(join(golden, file)).isFile())
    .map((file) => `/golden/${file.replaceAll("\\", "/")}`);
  const imports = files.map((file) => `await import(${JSON.stringify(resolve(`test/${file}.test.ts`))});`);
  const contents = `
    import { fetchFiles } from ${JSON.stringify(standIn("files"))};
    import { runCollected } from "vitest";
    globalThis.ran = { ran: 0, of: 0, failures: [], done: false };
    await fetchFiles(${JSON.stringify(fetched)});
    ${imports.join("\n")}
    await runCollected((ran) => { globalThis.ran = ran; });
  `;
  await build({
    stdin: { contents, resolveDir: resolve("."), loader: "ts" },
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    loader: { ".wgsl": "text" },
    plugins: [inPage],
    outfile: join(folder, "tests.js"),
    logLevel: "error",
  });
  writeFileSync(
    join(folder, "index.html"),
    `<!doctype html><title>tests</title><link rel="icon" href="data:,"><script type="module" src="tests.js"></script>`,
  );
  return folder;
}

const ranIn = (page: Page) => page.evaluate(() => (globalThis as unknown as { ran?: Ran }).ran);

/** Waits for a page to run its tests, for as long as it goes on finishing some. */
async function finished(page: Page, errors: readonly string[]): Promise<Ran> {
  let last: Ran | undefined;
  let since = Date.now();
  for (;;) {
    const now = await ranIn(page);
    if (now?.done || errors.length > 0) return now ?? { ran: 0, of: 0, failures: [], done: false };
    if (now?.ran !== last?.ran) since = Date.now();
    if (Date.now() - since > STALLED)
      throw new Error(`no test finished for ${STALLED / 1000} s: ${JSON.stringify(now)}`);
    last = now;
    await page.waitForTimeout(200);
  }
}

async function runInPage(files: readonly string[]): Promise<Ran> {
  const folder = await pageOf(files);
  const server = await serve(folder);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(server.url);
    const ran = await finished(page, errors);
    expect(errors).toEqual([]);
    return ran;
  } finally {
    await browser.close();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const { what, files, least } of [
  {
    what: "kernels",
    files: ["group-norm", "linear", "pointwise", "mix", "time-embedding", "noise", "conv1x1", "attention", "sampler"],
    least: 70,
  },
  { what: "golden forwards, steps, trajectories and containers", files: ["golden"], least: 5 },
  { what: "runs and resuming them", files: ["resume"], least: 3 },
])
  test(`${what}: the bodies that pass in Node pass in the page`, { timeout: 1_200_000 }, async () => {
    const { ran, of, failures } = await runInPage(files);
    expect(failures).toEqual([]);
    expect(ran).toBe(of);
    expect(ran).toBeGreaterThanOrEqual(least);
  });
