import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildBrowser } from "../../demo/build.mjs";
import { serve } from "../../demo/serve.mjs";
import { forBrowser } from "../../esbuild.mjs";
import { launchChromium } from "./chromium";

// The examples for pages, as they stand: what the CDN would serve is served from this clone.
const folder = mkdtempSync(join(tmpdir(), "injectfusion-examples-"));
let server: Awaited<ReturnType<typeof serve>>;
let browser: Browser;

beforeAll(async () => {
  mkdirSync(join(folder, "weights"));
  cpSync(join("weights", "portraits64.safetensors"), join(folder, "weights", "portraits64.safetensors"));
  await buildBrowser(join(folder, "dist"));
  cpSync(join("examples", "page.html"), join(folder, "page.html"));
  server = await serve(folder);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const portrait = (n: number) => join("weights", "examples", `portrait-0${n}.png`);

test("page.html: two files in, a picture out, with the library from a CDN's address", async () => {
  const page = await browser.newPage();
  const asked: string[] = [];
  await page.route("https://cdn.jsdelivr.net/npm/injectfusion@*/**", async (route) => {
    const path = new URL(route.request().url()).pathname.replace(/^\/npm\/injectfusion@[^/]+\//, "");
    asked.push(path);
    const response = await page.request.get(`${server.url}${path}`, { headers: route.request().headers() });
    const headers = { ...response.headers(), "access-control-allow-origin": "*", "access-control-expose-headers": "*" };
    await route.fulfill({ status: response.status(), headers, body: await response.body() });
  });
  // The server's policy is the demo's, which asks nothing of other origins; a page of one's own has its own.
  await page.route(`${server.url}page.html*`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ status: 200, contentType: "text/html", body: await response.text() });
  });
  await page.goto(`${server.url}page.html?steps=2`);
  await page.setInputFiles("#content", portrait(2));
  await page.setInputFiles("#original", portrait(1));
  await page.click("#inject");
  await page.waitForFunction(
    () => !/^(?:$|Loading|invert|generate)/.test(document.querySelector("output")!.value),
    null,
    {
      timeout: 500_000,
    },
  );
  expect(await page.inputValue("#state").catch(() => page.locator("#state").innerText())).toBe("Done.");
  expect(asked).toContain("dist/browser.js");
  expect(asked).toContain("weights/portraits64.safetensors");
  const colours = await page.evaluate(() => {
    const canvas = document.querySelector("canvas")!;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  });
  expect(colours).toBeGreaterThan(100);
  await page.close();
});

test("worker.mjs: the same worker in a page", async () => {
  const lines = [
    `import { connect } from "injectfusion/worker";`,
    `const engine = connect(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));`,
    `engine.load(new URL("./weights/portraits64.safetensors", location.href).href).then(`,
    `  (info) => { globalThis.result = info; }, (error) => { globalThis.result = error.message; });`,
  ];
  writeFileSync(join(folder, "worker-page.js"), lines.join("\n"));
  // What a bundler does for a user: the page and the worker, each with the package's entry for browsers.
  const alias = { "injectfusion/worker": join(process.cwd(), "src", "subpaths", "worker.ts") };
  await build({
    ...forBrowser,
    alias,
    outdir: folder,
    entryPoints: [
      { in: join(folder, "worker-page.js"), out: "page" },
      { in: join("examples", "worker", "worker.mjs"), out: "worker" },
    ],
  });
  writeFileSync(join(folder, "worker.html"), `<!doctype html><script type="module" src="page.js"></script>`);
  const page = await browser.newPage();
  await page.goto(`${server.url}worker.html`);
  const found = await page.waitForFunction(() => (globalThis as { result?: unknown }).result, null, {
    timeout: 300_000,
  });
  expect(await found.jsonValue()).toMatchObject({ resolution: 64 });
  await page.close();
});
