import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import type { Metafile } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildBrowser } from "../../demo/build.mjs";
import { serve } from "../../demo/serve.mjs";
import { firstLoad } from "../../esbuild.mjs";
import { writeSafetensors } from "../../src/model/checkpoint/safetensors-writer";
import { loadModel, openDevice } from "../../src/node";
import { DDPM_TINY, stateOf } from "../checkpoint-models";
import { launchChromium } from "./chromium";
import { type Watch, watch } from "./watch";

/** Bytes of the library a page downloads, gzip: what it was, and some room. Raise it knowingly. */
const MOST_GZIP = 138 * 1024;

const folder = mkdtempSync(join(tmpdir(), "injectfusion-bundle-"));
const pages = join("test", "browser", "pages");
let server: Awaited<ReturnType<typeof serve>>;
let browser: Browser;
let seen: Watch;
let metafile: Metafile;
let expected: { eps: number[]; pixel: number[] };

interface Tried {
  readonly resolution: number;
  readonly eps?: number[];
  readonly pixel?: number[];
  readonly error?: string;
}

/** A network of small random weights as a file, and what Node computes with it. */
async function tinyModel(): Promise<Uint8Array<ArrayBuffer>> {
  const entries = [...stateOf(DDPM_TINY)].map(([name, { shape, values }]) => ({
    name,
    dtype: "F32" as const,
    shape,
    bytes: Float32Array.from(values, (v) => v / 20),
  }));
  const chunks: BlobPart[] = [];
  for await (const chunk of writeSafetensors(entries, {})) chunks.push(chunk as BlobPart);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

async function inNode(file: Uint8Array): Promise<typeof expected> {
  using device = await openDevice();
  const model = await loadModel(file, { device, resolution: 16 });
  const { eps } = await model.forward(
    Float32Array.from({ length: 3 * 16 * 16 }, (_, i) => Math.sin(i)),
    500,
  );
  return { eps: [...eps], pixel: [200, 100, 50, 255] };
}

/** Opens a page that runs one script and waits for what it finds. */
async function tried(script: string): Promise<Tried> {
  const name = script.replaceAll(/\W/g, "-");
  const html = `<!doctype html><title>${name}</title><script type="module" src="${script}"></script>`;
  writeFileSync(join(folder, `${name}.html`), html);
  const page = await browser.newPage();
  try {
    await page.goto(`${server.url}${name}.html`);
    const handle = await page.waitForFunction(() => (globalThis as unknown as { result?: Tried }).result, undefined, {
      timeout: 100_000,
    });
    return (await handle.jsonValue()) as Tried;
  } finally {
    await page.close();
  }
}

/** The model is on the GPU. */
function expectLoaded(found: Tried): void {
  expect(found.error).toBeUndefined();
  expect(found.resolution).toBe(16);
}

function expectSame(found: Tried): void {
  expectLoaded(found);
  expect(found.pixel).toEqual(expected.pixel);
  const scale = Math.max(...expected.eps.map(Math.abs));
  const off = Math.max(...found.eps!.map((v, i) => Math.abs(v - expected.eps[i]!)));
  expect(off / scale).toBeLessThan(1e-4);
}

beforeAll(async () => {
  ({ metafile } = await buildBrowser(folder));
  cpSync(pages, folder, { recursive: true });
  const model = await tinyModel();
  writeFileSync(join(folder, "tiny.safetensors"), model);
  expected = await inNode(model);
  server = await serve(folder);
  browser = await launchChromium();
  seen = watch(browser.contexts()[0] ?? (await browser.newContext()), server.url);
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the bundle imports nothing but its own parts, and stays small", () => {
  const entry = Object.keys(metafile.outputs).find((file) => file.endsWith("/browser.js"))!;
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  expect(imports.filter((i) => i.external)).toEqual([]);
  expect(Object.keys(metafile.inputs).filter((file) => /-node\.ts$|^node:/.test(file))).toEqual([]);
  const bytes = firstLoad(metafile, entry).map((file) => gzipSync(readFileSync(file)).length);
  expect(bytes.reduce((a, b) => a + b)).toBeLessThan(MOST_GZIP);
});

// Compiling a whole network takes half a minute on the software adapter: the worker does it, the others load a model.
test("works from a plain module script", async () => expectLoaded(await tried("plain.js")));

test("works in a worker, with an OffscreenCanvas", async () => expectSame(await tried("in-worker.js")));

test("works through Vite, installed as a package", async () => {
  const { build } = await import("vite");
  const root = join(folder, "app");
  const installed = join(root, "node_modules", "injectfusion");
  mkdirSync(join(installed, "dist"), { recursive: true });
  cpSync("package.json", join(installed, "package.json"));
  cpSync(join(folder, "browser.js"), join(installed, "dist", "browser.js"));
  symlinkSync(resolve(folder, "parts"), join(installed, "dist", "parts"));
  for (const file of ["vite.js", "try-engine.js"]) cpSync(join(folder, file), join(root, file));
  writeFileSync(join(root, "index.html"), '<!doctype html><script type="module" src="/vite.js"></script>');
  await build({
    root,
    configFile: false,
    logLevel: "error",
    build: { outDir: join(folder, "built"), target: "es2022" },
  });
  const html = readFileSync(join(folder, "built", "index.html"), "utf8");
  const script = /src="\/(assets\/[\w.-]+\.js)"/.exec(html)?.[1];
  expect(script).toBeDefined();
  expectLoaded(await tried(`built/${script}`));
});

test("without a console error or a request to anywhere else", () => {
  expect(seen.errors).toEqual([]);
  expect(seen.strangers).toEqual([]);
});
