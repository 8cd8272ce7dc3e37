import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forNode } from "../esbuild.mjs";
import { isPrivate } from "../src/gpu/private-folder";
import { findArchive, unpackedDriver } from "../src/gpu/software-driver";

const root = mkdtempSync(join(realpathSync(tmpdir()), "driver-test-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const isRoot = process.getuid?.() === 0;
const archive = findArchive()!;
let made = 0;
const folder = (mode = 0o700) => {
  const path = join(root, String(made++));
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
};
const cache = process.env.XDG_CACHE_HOME;
const at = (base: string) => {
  process.env.XDG_CACHE_HOME = base;
  return unpackedDriver(archive).finally(() => {
    process.env.XDG_CACHE_HOME = cache;
    if (cache === undefined) delete process.env.XDG_CACHE_HOME;
  });
};

describe.runIf(process.platform === "linux")("the unpacked driver", () => {
  test("lies in a folder that only its user can write, and is unpacked once", async () => {
    const base = folder();
    const { library } = await at(base);
    expect(library.startsWith(join(base, "injectfusion", "swiftshader-"))).toBe(true);
    expect(statSync(join(base, "injectfusion")).mode & 0o777).toBe(0o700);
    expect(statSync(resolve(library, "..")).mode & 0o777).toBe(0o700);
    expect(statSync(library).mode & 0o022).toBe(0);
    const { ino } = statSync(library);
    expect(statSync((await at(base)).library).ino).toBe(ino);
    expect(readdirSync(join(base, "injectfusion")).length).toBe(1);
  });
  const damage: [string, (library: string) => void][] = [
    [
      "with one bit flipped",
      (library) => {
        const bytes = readFileSync(library);
        bytes[bytes.length >> 1]! ^= 1;
        chmodSync(library, 0o700);
        writeFileSync(library, bytes);
      },
    ],
    ["writable by others", (library) => chmodSync(library, 0o777)],
    [
      "replaced by a link",
      (library) => {
        renameSync(library, `${library}.old`);
        symlinkSync(`${library}.old`, library);
      },
    ],
    ["missing", (library) => rmSync(library)],
    ["in a folder writable by others", (library) => chmodSync(resolve(library, ".."), 0o777)],
    ["of another archive", (library) => writeJson(join(library, "..", "sha256.json"), { archive: "0".repeat(64) })],
    ["without digests", (library) => rmSync(join(library, "..", "sha256.json"))],
  ];
  const writeJson = (path: string, value: unknown) => {
    chmodSync(path, 0o600);
    writeFileSync(path, JSON.stringify(value));
  };
  test.each(damage)("is unpacked again when found %s", async (_, change) => {
    const base = folder();
    const { library } = await at(base);
    const bytes = readFileSync(library);
    change(library);
    const again = await at(base);
    expect(again.library).toBe(library);
    expect(Buffer.compare(readFileSync(library), bytes)).toBe(0);
    expect(statSync(library).mode & 0o022).toBe(0);
    expect(isPrivate(resolve(library, ".."))).toBe(true);
  });
  const shared: [string, () => string][] = [
    ["a cache folder that others may write", () => folder(0o777)],
    [
      "a folder of its name that others may write",
      () => {
        const base = folder();
        mkdirSync(join(base, "injectfusion"));
        chmodSync(join(base, "injectfusion"), 0o777);
        return base;
      },
    ],
    [
      "a link of its name",
      () => {
        const base = folder();
        symlinkSync(folder(), join(base, "injectfusion"));
        return base;
      },
    ],
    ["a path that cannot be made", () => "/proc/none"],
  ];
  test.each(shared)("goes to a private temporary folder instead of %s", async (_, make) => {
    const home = process.env.HOME;
    process.env.HOME = "/proc/none";
    try {
      const { library, temporary } = await at(make());
      expect(temporary).toBe(true);
      expect(library).toMatch(/\/injectfusion-[A-Za-z0-9]{6}\/swiftshader-/);
      expect(statSync(resolve(library, "..", "..")).mode & 0o777).toBe(0o700);
    } finally {
      process.env.HOME = home;
    }
  });
  test.runIf(isRoot)("does not trust a folder that another user owns", async () => {
    const base = folder(0o755);
    const own = join(base, "injectfusion");
    mkdirSync(own, { mode: 0o755 });
    chownSync(own, 12345, 12345);
    expect(isPrivate(own)).toBe(false);
    expect((await at(base)).library.startsWith(own)).toBe(false);
    chownSync(own, 0, 0);
    chownSync(base, 12345, 12345);
    expect(isPrivate(own)).toBe(false); // its owner could rename it
  });
});

describe.runIf(process.platform === "linux")("a process of its own", () => {
  const bundle = join(resolve("node_modules/.cache/injectfusion"), `driver-test-${process.pid}.mjs`);
  beforeAll(() => build({ ...forNode, entryPoints: ["src/gpu/open-node.ts"], outfile: bundle }));
  afterAll(() => rmSync(bundle, { force: true }));
  const env = { ...process.env, INJECTFUSION_ADAPTER: "software" };
  const open = `import(${JSON.stringify(bundle)}).then(({ openDevice }) => openDevice())`;
  const node = (code: string, more: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, ["-e", code], { env: { ...env, ...more }, encoding: "utf8" });
  const inWorker = (code: string) =>
    `const { Worker } = require("node:worker_threads");
     new Worker(${JSON.stringify(code)}, { eval: true }).on("message", console.log).on("error", (e) => console.log(e.message));`;

  test("a worker thread that opens the device first", () => {
    const code = `${open}.then((d) => { require("node:worker_threads").parentPort.postMessage(d.adapterClass); d.destroy(); })`;
    const { stdout, stderr } = node(inWorker(code));
    expect(stderr).toBe("");
    expect(stdout).toBe("software\n");
  });
  test("two workers and the main thread at once", () => {
    const code = `${open}.then((d) => { require("node:worker_threads").parentPort.postMessage(d.adapterClass); d.destroy(); })`;
    const all = `${inWorker(code)} new Worker(${JSON.stringify(code)}, { eval: true }).on("message", console.log); ${open}.then((d) => { console.log(d.adapterClass); d.destroy(); })`;
    expect(node(all).stdout).toBe("software\nsoftware\nsoftware\n");
  });
  test("leaves nothing in the temporary folder", () => {
    const temporary = folder();
    const place = { XDG_CACHE_HOME: "/proc/none", HOME: "/proc/none", TMPDIR: temporary };
    const code = `${open}.then((d) => { console.log(d.adapterClass, require("node:fs").readdirSync(process.env.TMPDIR).length); d.destroy(); })`;
    expect(node(code, place).stdout).toMatch(/^software [01]\n$/);
    expect(readdirSync(temporary)).toEqual([]);
  });
  test.runIf(isRoot)("another user of a shared temporary folder finds no way in", () => {
    const shared = folder(0o1777);
    const planted = join(shared, "injectfusion");
    mkdirSync(planted);
    chmodSync(planted, 0o777);
    chownSync(planted, 12345, 12345);
    const place = { XDG_CACHE_HOME: shared, HOME: "/proc/none", TMPDIR: shared };
    expect(node(`${open}.then((d) => { console.log(d.adapterClass); d.destroy(); })`, place).stdout).toBe("software\n");
    expect(readdirSync(planted)).toEqual([]);
  });
});
