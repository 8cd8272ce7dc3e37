// Builds dist/: the library for Node and for browsers, their type declarations, and the command line.
//   node build.mjs            everything
//   node build.mjs --quiet    only what runs (no declarations), and no talk: what `npm start` needs
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { firstLoad, forBrowser, forNode, root } from "./esbuild.mjs";

const kilobytes = (bytes) => `${Math.round(bytes / 1024)} KB`;
const quiet = process.argv.includes("--quiet");

/** What goes into dist/, by output file. A source that is not there yet is skipped. */
const targets = [
  { entry: "src/node.ts", outfile: "dist/node.js", options: forNode },
  {
    entry: "src/browser.ts",
    outfile: "dist/browser.js",
    options: forBrowser,
  },
  { entry: "src/cli/main.ts", outfile: "dist/cli.js", options: { ...forNode, banner: { js: "#!/usr/bin/env node" } } },
].filter(({ entry }) => existsSync(join(root, entry)));

rmSync(join(root, "dist", "parts"), { recursive: true, force: true });
for (const { entry, outfile, options } of targets) {
  const entryPoints = [{ in: entry, out: basename(outfile, ".js") }];
  const { metafile } = await build({ ...options, entryPoints, outdir: dirname(outfile), metafile: true });
  const file = join(root, outfile);
  if (outfile.endsWith("cli.js")) chmodSync(file, 0o755);
  const gzipped = (part) => gzipSync(readFileSync(join(root, part))).length;
  const bytes = firstLoad(metafile, outfile).reduce((sum, part) => sum + gzipped(part), 0);
  const gzip = options === forBrowser ? `, ${kilobytes(bytes)} gzip with the parts it imports` : "";
  if (!quiet) console.log(`${relative(root, file)}  ${kilobytes(statSync(file).size)}${gzip}`);
}

if (!quiet) {
  const types = join(root, "dist", "types");
  rmSync(types, { recursive: true, force: true });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(1);
  for (const file of readdirSync(types, { recursive: true, encoding: "utf8" })) {
    if (file.endsWith(".d.ts")) resolvable(join(types, file));
  }
  console.log("dist/types");
}

/** Node's own way of resolving wants extensions, which bundlers let us leave away; and the types of WebGPU are named where
 *  a reader begins. */
function resolvable(file) {
  const text = readFileSync(file, "utf8").replace(/((?:from |import\()")(\.{1,2}\/[^"]+)(")/g, "$1$2.js$3");
  const entry = /[\\/](node|browser)\.d\.ts$/.test(file);
  writeFileSync(file, entry ? `/// <reference types="@webgpu/types" />\n${text}` : text);
}
