import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeImage } from "../src/platform/images-node";
import { readPngText } from "../src/platform/png-text";

// The command line as a user runs it: its own process, a real device, a tiny network with random weights (16x16 pixels).
const root = fileURLToPath(new URL("..", import.meta.url));
const model = join(root, "test", "golden", "containers", "ddpm.safetensors");
const folder = mkdtempSync(join(tmpdir(), "injectfusion-real-"));
const at = (...path: string[]) => join(folder, ...path);
const program = join(root, "dist", "cli.js");

beforeAll(async () => {
  execFileSync(process.execPath, [join(root, "build.mjs"), "--quiet"]);
  const noise = (seed: number) => {
    let s = seed;
    const data = Uint8Array.from(
      { length: 20 * 30 * 3 },
      () => (s = (Math.imul(s, 1664525) + 1013904223) >>> 0) >>> 24,
    );
    return sharp(data, { raw: { width: 20, height: 30, channels: 3 } }).blur(3);
  };
  for (const [name, seeds] of Object.entries({ contents: [3, 4, 5], originals: [6, 7] })) {
    mkdirSync(at(name));
    for (const seed of seeds)
      await noise(seed)
        .png()
        .toFile(at(name, `${seed}.png`));
  }
  await noise(1).withMetadata({ orientation: 6 }).jpeg({ quality: 95 }).toFile(join(folder, "rotated.jpg"));
  await noise(2).webp({ lossless: true }).toFile(join(folder, "b.webp"));
  writeFileSync(join(folder, "not-a-model.safetensors"), "<html>no model</html>");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Each process compiles its pipelines anew, which takes a busy machine a while. */
const SLOW = 240_000;

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program in the test's folder; `during` sees it while it runs, `started` once. */
function cli(
  args: string,
  during?: (child: ChildProcess, stderr: string) => void,
  started?: (child: ChildProcess) => void,
): Promise<Finished> {
  const child = spawn(process.execPath, [program, ...args.split(" ")], { cwd: folder });
  started?.(child);
  const written = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => (written.stdout += text));
  child.stderr.on("data", (text) => {
    written.stderr += text;
    during?.(child, written.stderr);
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, ...written })));
}
const few = `--model ${model} --resolution 16 --steps 4 --steps-inversion 4`;

test("inject: a rotated JPEG and a WebP in, a PNG with its parameters out; saved inversions give the same picture", {
  timeout: SLOW,
}, async () => {
  const first = await cli(
    `inject --content rotated.jpg --original b.webp --out a.png --strip --save-inversion kept --gamma 0.5 ${few}`,
  );
  expect([first.code, first.stdout]).toEqual([0, "a.png\na-strip.png\n"]);
  expect(first.stderr).toMatch(/^adapter: .+$/m);
  expect(first.stderr).toMatch(/^invert +\d+\.\d+ s$/m);
  const parameters = JSON.parse(readPngText(readFileSync(join(folder, "a.png"))).Parameters!);
  expect(parameters).toMatchObject({ gamma: 0.5, steps: 4, stepsInversion: 4, model: "ddpm.safetensors" });
  const second = await cli(
    `inject --content-inversion kept-content-1.inv --original-inversion kept-original.inv --out b.png --gamma 0.5 --quiet ${few}`,
  );
  expect([second.code, second.stdout]).toEqual([0, "b.png\n"]);
  const [a, b] = [await decodeImage(join(folder, "a.png")), await decodeImage(join(folder, "b.png"))];
  expect([a.width, a.height]).toEqual([16, 16]);
  expect(Buffer.from(b.data).equals(Buffer.from(a.data))).toBe(true);
});

test("interrupted in the middle of a run: 130, one line, no file", { timeout: SLOW }, async () => {
  let sent = false;
  const run = await cli(`sample --model ${model} --resolution 16 --steps 1000 --out never.png`, (child, stderr) => {
    if (!sent && stderr.includes("load model")) sent = child.kill("SIGINT");
  });
  expect([run.code, run.stdout]).toEqual([130, ""]);
  expect(run.stderr).toMatch(/^interrupted: nothing was left half-written$/m);
  expect(readdirSync(folder).filter((name) => name.includes("never"))).toEqual([]);
});

test("grid: killed in the middle, a second run keeps what was finished and makes the rest, as one run would have", {
  timeout: 2 * SLOW,
}, async () => {
  const grid = `grid --contents contents --originals originals --batch 1 --gamma 0.4 --model ${model} --resolution 16 --steps 25 --steps-inversion 25 --quiet`;
  const results = (out: string) => readdirSync(at(out)).filter((name) => /^\d--\d\.png$/.test(name));
  mkdirSync(at("killed"));
  const watch = setInterval(() => results("killed").length > 1 && running?.kill("SIGKILL"), 5);
  let running: ChildProcess | undefined;
  const first = await cli(`${grid} --out killed`, undefined, (child) => (running = child));
  clearInterval(watch);
  const finished = results("killed").map((name) => [name, statSync(at("killed", name)).mtimeMs] as const);
  expect(first.code).toBe(null);
  expect([finished.length >= 2, finished.length < 6]).toEqual([true, true]);
  const second = await cli(`${grid} --out killed`);
  expect([second.code, second.stdout]).toEqual([0, "killed/sheet.png\n"]);
  for (const [name, time] of finished) expect(statSync(at("killed", name)).mtimeMs).toBe(time);
  const { pairs } = JSON.parse(readFileSync(at("killed", "manifest.json"), "utf8")) as { pairs: { status: string }[] };
  expect(pairs.filter(({ status }) => status === "kept")).toHaveLength(finished.length);
  expect(pairs.filter(({ status }) => status === "done")).toHaveLength(6 - finished.length);
  expect((await cli(`${grid} --out whole`)).code).toBe(0);
  for (const name of results("whole"))
    expect(readFileSync(at("killed", name)).equals(readFileSync(at("whole", name))), name).toBe(true);
});

/** Lines of a CSV as records. */
function records(name: string): Record<string, number | string>[] {
  const [head, ...lines] = readFileSync(at(name), "utf8").trim().split("\r\n");
  const columns = head!.split(",");
  const value = (text: string) => (text === "" || Number.isNaN(Number(text)) ? text : Number(text));
  return lines.map((line) => Object.fromEntries(line.split(",").map((text, i) => [columns[i]!, value(text)])));
}

test("compare: rules with figures of h at every step, taps, schedules, methods", { timeout: 2 * SLOW }, async () => {
  const pair = `compare --content contents/3.png --original originals/6.png ${few} --quiet`;
  const rules = await cli(`${pair} --gamma 0.4 --out rules.png`);
  expect([rules.code, rules.stdout]).toEqual([0, "rules.png\nrules.csv\n"]);
  const steps = records("rules.csv");
  expect(steps).toHaveLength(4);
  for (const row of steps) {
    expect(row.slerp_norm).toBeCloseTo(row.h as number, 3); // slerp keeps the norm of h, replace takes the content's
    expect(row.replace_norm).toBeCloseTo(row.content as number, 3);
    for (const name of ["r", "cosine", "lerp_r", "slerp_r", "replace_r"])
      expect(Math.abs(row[name] as number), name).toBeLessThanOrEqual(1);
  }
  const taps = await cli(`${pair} --of taps --taps mid.block_1,mid.block_2 --out taps.png`);
  expect(taps.code).toBe(0);
  const schedules = await cli(`${pair} --of schedules --out schedules.png`);
  expect(schedules.code).toBe(0);
  const methods = await cli(`${pair} --of methods --seed 3 --out methods.png`);
  expect(methods.code).toBe(0);
  const byMethod = records("methods.csv");
  expect([...new Set(byMethod.map(({ row }) => row))]).toEqual([
    "ddim",
    "dpm++2m",
    "bdia",
    "edit-friendly seed 3",
    "edit-friendly seed 4",
  ]);
  expect([...new Set(byMethod.map(({ gamma }) => gamma))]).toEqual([0, 0.3, 0.6]);
  for (const { row, gamma, paletteOriginal } of byMethod)
    if (gamma === 0 && /^bdia|^edit/.test(String(row))) expect(paletteOriginal, String(row)).toBe(0);
  for (const [name, rows] of Object.entries({
    "taps.csv": ["mid.block_1", "mid.block_2"],
    "schedules.csv": ["constant", "fade", "rise", "bell"],
  }))
    expect(records(name).map(({ row, gamma }) => [row, gamma])).toEqual(
      rows.flatMap((row) => [0.2, 0.4, 0.6].map((gamma) => [row, gamma])),
    );
});

test("taps: every block from h on, ranked by what injection there moves and keeps", { timeout: SLOW }, async () => {
  const run = await cli(`taps --images contents --pairs 2 --gamma 0.5 ${few} --quiet --out taps-ranked.csv`);
  expect(run.code).toBe(0);
  const lines = run.stdout.trim().split("\n");
  const scores = lines.slice(1).map((line) => Number(line.trim().split(/ +/).at(-1)));
  expect(lines[0]).toMatch(/^tap +gamma +moved +palette kept +quality kept +score$/);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
  const rows = records("taps-ranked.csv");
  expect(rows[0]!.tap).toBe("mid.block_2");
  expect(rows.map(({ tap }) => tap)).toEqual(expect.arrayContaining(["up.1.block.0", "up.1.block.1", "up.0.block.1"]));
  for (const row of rows) {
    expect(row["palette kept"]).toBeGreaterThan(0);
    expect(row["quality kept"]).toBeLessThanOrEqual(1);
  }
  const one = await cli(`taps --images contents --pairs 2 --taps nowhere ${few} --quiet`);
  expect([one.code, one.stderr]).toEqual([1, expect.stringMatching(/no tap "nowhere" in this network/)]);
});

test(
  "directions: components and a difference as files, which inject adds at one scale or several",
  async () => {
    const made = await cli(
      `directions --images contents --components 2 ${few} --quiet --out pca.safetensors --sheet pca.png`,
    );
    expect([made.code, made.stdout]).toEqual([0, "pca.safetensors\npca.png\n"]);
    const apart = await cli(`directions --with contents --without originals ${few} --quiet --out apart.safetensors`);
    expect([apart.code, apart.stdout]).toEqual([0, "apart.safetensors\n"]);
    const original = `inject --original originals/6.png ${few} --quiet`;
    const sheet = await cli(`${original} --direction pca.safetensors:2 --scale -3:3:3 --out along.png`);
    expect([sheet.code, sheet.stdout]).toEqual([0, "along.png\n"]);
    const beside = await cli(
      `${original} --content contents/3.png --direction apart.safetensors --scale 2 --no-keep-norm --out beside.png --json`,
    );
    expect(JSON.parse(beside.stdout)).toMatchObject({
      directions: ["apart.safetensors:1"],
      scale: [2],
      keepNorm: false,
    });
    const refused = await cli(`${original} --direction pca.safetensors:3 --out never.png`);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/the file holds 2, counted from 1/)]);
    const none = await cli(`directions --images contents --components 99 ${few} --quiet --out never.safetensors`);
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringMatching(/99 components of \d+ pictures: expected at most/),
    ]);
    const both = await cli("directions --with contents --images contents --out never.safetensors");
    expect([both.code, both.stderr]).toEqual([2, expect.stringMatching(/one of these/)]);
  },
  2 * SLOW,
);

test("correlate: r at every t as table, CSV, JSON and plot", { timeout: SLOW }, async () => {
  const run = await cli(
    `correlate --images contents --out fig5 --model ${model} --resolution 16 --steps-inversion 4 --quiet`,
  );
  expect(run.code).toBe(0);
  expect(readdirSync(at("fig5")).sort()).toEqual(["correlation.csv", "correlation.json", "correlation.svg"]);
  const rows = records("fig5/correlation.csv");
  expect(rows).toHaveLength(4);
  expect(Object.keys(rows[0]!)).toEqual(expect.arrayContaining(["t", "matching", "mismatched", "slerp", "replace"]));
  for (const row of rows) expect(row.slerp).toBeCloseTo(row.matching as number, 4); // |h~| = |h|
  expect(readFileSync(at("fig5/correlation.svg"), "utf8")).toMatch(/^<svg.*<\/svg>\s*$/s);
});

test("a file that is no model: status 1, one line, nothing written", async () => {
  const run = await cli("reconstruct b.webp --model not-a-model.safetensors --quiet --out never.png");
  expect([run.code, run.stdout]).toEqual([1, ""]);
  expect(run.stderr).toMatch(/^error: not-a-model\.safetensors: .+$/m);
  expect(run.stderr).not.toMatch(/\n\s+at .*\.ts/);
});

test("stdout that cannot be written is an error with a line", async () => {
  const full = openSync("/dev/full", "w");
  const child = spawn(process.execPath, [program, "info", "--models"], { stdio: ["ignore", full, "pipe"] });
  closeSync(full);
  let stderr = "";
  child.stderr!.on("data", (text) => (stderr += text));
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(1);
  expect(stderr).toMatch(/^error: stdout cannot be written \(ENOSPC\)$/m);
});

test("info: adapter, limits, features, model and the plan of a step", async () => {
  const run = await cli(`info --graph --json --model ${model} --resolution 16`);
  expect(run.code).toBe(0);
  const { device, model: about, graph } = JSON.parse(run.stdout);
  expect(device.limits.maxStorageBufferBindingSize).toBeGreaterThan(0);
  expect(about).toMatchObject({ resolution: 16 });
  expect(graph.nodes.length).toBeGreaterThan(20);
  expect(graph.totals.slotBytes).toBeGreaterThanOrEqual(graph.totals.lowerBound);
});
