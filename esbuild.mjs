// What every bundle of this repository shares, and a way to run one TypeScript file:
//   node esbuild.mjs bench/index.ts --filter conv
import { mkdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

export const root = dirname(fileURLToPath(import.meta.url));

/** Shared by library, CLI, demo and tools: ES modules, shaders as text. @type {import("esbuild").BuildOptions} */
export const shared = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  target: "es2022",
  loader: { ".wgsl": "text" },
  legalComments: "none",
  logLevel: "warning",
};

/** Packages that a bundle for Node leaves outside: optional ones, and ones with native code. */
const outside = ["@sparticuz/chromium", "cli-progress", "commander", "onnxruntime-node", "sharp", "webgpu"];

/** The library for Node. @type {import("esbuild").BuildOptions} */
export const forNode = { ...shared, platform: "node", target: "node20", external: outside };

/** Drops comments from shaders, except the marks that src/wgsl reads: a quarter fewer bytes to download. */
const bareShaders = {
  name: "bare-shaders",
  /** @param {import("esbuild").PluginBuild} build */
  setup({ onLoad }) {
    onLoad({ filter: /\.wgsl$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const bare = source.replace(/\s*\/\/ *(unroll\b|uniform\b|import .*)?.*$/gm, (_, mark) =>
        mark ? `${mark.startsWith("import") ? "\n" : " "}// ${mark}` : "",
      );
      return { contents: bare.replace(/\n{2,}/g, "\n"), loader: "text" };
    });
  },
};

/** For browsers: one file for each entry, and parts that load when they are first needed. @type {import("esbuild").BuildOptions} */
export const forBrowser = {
  ...shared,
  platform: "browser",
  splitting: true,
  chunkNames: "parts/[name]-[hash]",
  minify: true,
  keepNames: false,
  sourcemap: "linked",
  plugins: [bareShaders],
};

/** What a page downloads to import one output: it and every part it imports outright, not those that load when needed.
 *  @param {import("esbuild").Metafile} metafile @param {string} output its path in the metafile @returns {string[]} */
export function firstLoad(metafile, output) {
  const files = new Set([output]);
  for (const file of files)
    for (const { path, kind, external } of metafile.outputs[file].imports)
      if (kind === "import-statement" && !external) files.add(path);
  return [...files];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [entry, ...args] = process.argv.slice(2);
  if (!entry) {
    console.error("usage: node esbuild.mjs FILE.ts [ARGUMENT ...]");
    process.exit(2);
  }
  const folder = join(root, "node_modules", ".cache", "injectfusion");
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, `${entry.replaceAll(/[^a-z0-9]/gi, "_")}.${process.pid}.mjs`);
  await build({ ...forNode, packages: "external", sourcemap: "inline", entryPoints: [entry], outfile });
  process.on("exit", () => rmSync(outfile, { force: true }));
  process.argv.splice(1, process.argv.length - 1, outfile, ...args);
  try {
    await import(pathToFileURL(outfile).href);
  } catch (error) {
    if (!error?.code?.startsWith?.("ERR_PARSE_ARGS")) throw error;
    console.error(`${entry}: ${error.message}; the first lines of the file list its options`);
    process.exit(2);
  }
}
