// Builds dist/: the library for Node and for browsers, its subpaths, their type declarations, and the command line.
//   node build.mjs            everything
//   node build.mjs --quiet    only what runs (no declarations), and no talk: what `npm start` needs
//   node build.mjs --prepare  everything, for npm: an installation from a git address builds the package itself
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { firstLoad, forBrowser, forNode, root } from "./esbuild.mjs";

const quiet = process.argv.includes("--quiet");
if (process.argv.includes("--prepare") && process.env.INJECTFUSION_SETUP) process.exit(0);
const say = (line) => quiet || console.log(line);

/** What goes into dist/, by platform and output. The outputs of one platform share parts, so that a class which two of
 *  them export is one class. */
const platforms = [
  {
    options: { ...forBrowser, chunkNames: "parts/[name]-[hash]" },
    entries: { browser: "src/browser.ts", kernels: "src/subpaths/kernels.ts", graph: "src/subpaths/graph.ts" },
  },
  {
    options: { ...forNode, splitting: true, chunkNames: "node-parts/[name]-[hash]" },
    entries: {
      node: "src/node.ts",
      "node-kernels": "src/subpaths/kernels.ts",
      "node-graph": "src/subpaths/graph.ts",
      cli: "src/cli/main.ts",
    },
  },
  { options: beside("./browser.js", forBrowser), entries: { worker: "src/subpaths/worker.ts" } },
  { options: beside("./node.js", forNode), entries: { "node-worker": "src/subpaths/worker-node.ts" } },
];

/** Options for an entry that imports the library as it is: were it bundled with it, the library would move into a part,
 *  away from the place from which it finds its weights. */
function beside(library, options) {
  const plugin = {
    name: "beside-the-library",
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\.\.\/(?:browser|node|errors)$/ }, () => ({ path: library, external: true })),
  };
  return { ...options, splitting: false, plugins: [...(options.plugins ?? []), plugin] };
}

const dist = join(root, "dist");
// Whatever an older build left; the demo has a build of its own.
for (const name of existsSync(dist) ? readdirSync(dist) : [])
  if (name !== "demo" && !(quiet && name === "types")) rmSync(join(dist, name), { recursive: true, force: true });

/** Folders of the packages that went into the bundles. */
const bundled = new Set();
for (const { entries, options } of platforms) {
  const entryPoints = Object.entries(entries).map(([out, file]) => ({ in: file, out }));
  const { metafile } = await build({ ...options, entryPoints, outdir: "dist", metafile: true });
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) bundled.add(found[1]);
  }
  for (const out of Object.keys(entries)) {
    const parts = firstLoad(metafile, `dist/${out}.js`).map((part) => readFileSync(join(root, part)));
    const kilobytes = (sizes) => `${Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1024)} KB`;
    const gzip = kilobytes(parts.map((part) => gzipSync(part).length));
    say(`dist/${out}.js  ${kilobytes(parts.map((part) => part.length))}, ${gzip} gzip with the parts it imports`);
  }
}
chmodSync(join(dist, "cli.js"), 0o755);
writeFileSync(join(dist, "LICENSES.txt"), [...bundled].sort().map(licenceOf).join("\n\n"));

/** Name, version and licence text of a package that the bundles contain. */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
  return `${name} ${version} (${license})\n${file ? readFileSync(join(root, folder, file), "utf8") : ""}`;
}

if (!quiet) {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(1);
  const types = join(dist, "types");
  for (const file of readdirSync(types, { recursive: true, encoding: "utf8" }))
    if (file.endsWith(".d.ts")) resolvable(join(types, file));
  say("dist/types");
}

/** Completes the addresses of a declaration file, as Node's resolution expects them: an extension, and the `index` of a
 *  folder. Entries also name the types of WebGPU. */
function resolvable(file) {
  const complete = (_, before, path, after) => {
    const target = join(file, "..", path);
    const isFolder = !existsSync(`${target}.d.ts`) && existsSync(target) && statSync(target).isDirectory();
    return `${before}${path}${isFolder ? "/index" : ""}.js${after}`;
  };
  const text = readFileSync(file, "utf8").replace(/((?:from |import\()")(\.{1,2}\/[^"]+)(")/g, complete);
  const isEntry = /[\\/]src[\\/](?:subpaths[\\/])?[\w-]+\.d\.ts$/.test(file);
  writeFileSync(file, isEntry ? `/// <reference types="@webgpu/types" />\n${text}` : text);
}
