// Makes the demo as a static folder, dist/demo, for any host:  node demo/build.mjs
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { forBrowser, root } from "../esbuild.mjs";

/** The shipped model, or where it is missing the one given. */
export function modelFile(model = process.env.INJECTFUSION_DEMO_MODEL) {
  const shipped = join(root, "weights", "portraits64.safetensors");
  return existsSync(shipped) ? shipped : model;
}

/** Builds the library for browsers into a folder. */
export const buildBrowser = (outdir) =>
  build({
    ...forBrowser,
    metafile: true,
    entryPoints: [{ in: join(root, "src", "browser.ts"), out: "browser" }],
    outdir,
  });

/** @param {{ model?: string }} options model: a file to serve where the shipped one is missing */
export async function buildDemo({ model } = {}) {
  const folder = join(root, "dist", "demo");
  const weights = modelFile(model);
  if (!weights) throw new Error("weights/portraits64.safetensors is missing; the demo needs it");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "examples"), { recursive: true });
  for (const file of ["index.html", "style.css", "icon.svg", "example.png"])
    cpSync(join(root, "demo", file), join(folder, file));
  cpSync(weights, join(folder, "portraits64.safetensors"));
  const from = join(root, "weights", "examples");
  const examples = readdirSync(from)
    .filter((file) => file.endsWith(".png"))
    .sort();
  for (const file of examples) cpSync(join(from, file), join(folder, "examples", file));
  // The version in the address keeps a browser from using another release's weights that it cached.
  const version = createHash("sha256").update(readFileSync(weights)).digest("hex").slice(0, 12);
  await build({
    ...forBrowser,
    entryPoints: [join(root, "demo", "main.ts")],
    outdir: folder,
    define: {
      SHIPPED_MODEL: JSON.stringify(`./portraits64.safetensors?v=${version}`),
      EXAMPLES: JSON.stringify(examples),
    },
  });
  return folder;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(`${await buildDemo()} is ready for any host`);
}
