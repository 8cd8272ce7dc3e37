import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { packageRoot } from "../../src/platform/package-root";
import { launchChromium } from "../../test/browser/chromium";
import { peersFolder, versionOf } from "./packages";
import type { PageOptions } from "./page/main";

const ORIGIN = "http://localhost:8065";

/** The benchmark in one page of headless Chromium: what it reports, line by line. No server: requests are answered here. */
export async function benchInChromium(options: PageOptions, onLine: (line: string) => void): Promise<void> {
  const script = await bundle();
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.on("pageerror", ({ message }) => console.error(`bench:peers: in the page: ${message}`));
    await answer(page, script);
    await page.exposeFunction("report", onLine);
    await page.goto(ORIGIN);
    type Scope = { bench(options: PageOptions, report: unknown): Promise<void>; report: unknown };
    await page.evaluate((given) => {
      const scope = globalThis as unknown as Scope;
      return scope.bench(given, scope.report);
    }, options);
  } finally {
    await browser.close();
  }
}

async function bundle(): Promise<string> {
  const root = packageRoot();
  const versions = Object.fromEntries(
    ["@tensorflow/tfjs-core", "onnxruntime-web"].map((name) => [name, versionOf(name)]),
  );
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["bench/peers/page/main.ts"],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    loader: { ".wgsl": "text" },
    nodePaths: [peersFolder],
    define: { PEER_VERSIONS: JSON.stringify(versions) },
    logLevel: "error",
    plugins: [
      {
        name: "in-page",
        setup({ onResolve }) {
          onResolve({ filter: /^\.\/packages$/ }, () => ({ path: join(root, "bench/peers/page/packages.ts") }));
        },
      },
    ],
  });
  return outputFiles[0]!.text;
}

const page = `<!doctype html><title>bench:peers</title><script type="module" src="bench.js"></script>`;

/** Isolated from other origins, which threads and precise clocks need. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

async function answer(target: Page, script: string): Promise<void> {
  await target.route(`${ORIGIN}/**`, async (route) => {
    const path = new URL(route.request().url()).pathname;
    const [, file] = /^\/peers\/((?:[\w.-]+\/)+[\w.-]+)$/.exec(path) ?? [];
    const contentType = path.endsWith("js") ? "text/javascript" : "text/html";
    if (file) {
      const body = await readFile(join(peersFolder, file));
      return route.fulfill({ headers, body, contentType: file.endsWith(".wasm") ? "application/wasm" : contentType });
    }
    if (path === "/bench.js") return route.fulfill({ headers, body: script, contentType });
    return path === "/" ? route.fulfill({ headers, body: page, contentType }) : route.fulfill({ status: 404 });
  });
}
