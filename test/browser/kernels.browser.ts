import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import { expect, test } from "vitest";
import { serve } from "../../demo/serve.mjs";
import { launchChromium } from "./chromium";

/** Kernel tests whose bodies run in the page as they run in Node. */
const files = ["group-norm", "linear", "pointwise", "mix", "time-embedding", "noise", "conv1x1"];

/** In the page, vitest is the stand-in, and the device is the browser's. */
const inPage: Plugin = {
  name: "in-page",
  setup({ onResolve }) {
    onResolve({ filter: /^vitest$/ }, () => ({ path: resolve("test/browser/pages/vitest.ts") }));
    onResolve({ filter: /gpu\/open-node$/ }, () => ({ path: resolve("src/gpu/open-browser.ts") }));
  },
};

test("kernels pass the same tests in the page", async () => {
  const folder = mkdtempSync(join(tmpdir(), "injectfusion-kernels-"));
  const imports = files.map((file) => `import ${JSON.stringify(resolve(`test/${file}.test.ts`))};`);
  const run = `import { runCollected } from "vitest"; runCollected().then((r) => { globalThis.result = r; });`;
  await build({
    stdin: { contents: [...imports, run].join("\n"), resolveDir: resolve("."), loader: "ts" },
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
    `<!doctype html><title>kernels</title><script type="module" src="tests.js"></script>`,
  );
  const server = await serve(folder);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(server.url);
    type Ran = { ran: number; failures: string[] };
    const handle = await page.waitForFunction(() => (globalThis as unknown as { result?: Ran }).result, undefined, {
      timeout: 200_000,
    });
    const { ran, failures } = (await handle.jsonValue()) as Ran;
    expect(errors).toEqual([]);
    expect(failures).toEqual([]);
    expect(ran).toBeGreaterThan(50);
  } finally {
    await browser.close();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
