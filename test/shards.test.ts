import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { runCli } from "../src/cli/cli";
import { resolveShard } from "../src/cli/shards";
import { FeatureCollector, type FeatureSet, fidOf, unite } from "../src/experiments/feature-sets";
import { frechetOfFeatures, gaussian } from "../src/metrics/frechet";
import { combine, frechetToFew, gaussianOf, type Moments, momentsOf } from "../src/metrics/moments";
import { seeded } from "../src/random";
import { fakeContext, fakeEngine } from "./support/fake-engine";

/** Correlated vectors far from the origin, where sums of squares would lose digits. */
function vectors(seed: number, count: number, width: number): Float32Array {
  const noise = seeded(seed, [count, width]);
  return noise.map((v, i) => 100 + (i % width) + v + (i % width > 0 ? 0.7 * noise[i - 1]! : 0));
}
const part = (values: Float32Array, width: number, from: number, to: number) => ({
  count: to - from,
  width,
  values: values.subarray(from * width, to * width),
});
const worst = (a: Float64Array, b: Float64Array) => {
  const scale = Math.max(...a.map(Math.abs));
  return Math.max(...a.map((v, i) => Math.abs(v - b[i]!))) / scale;
};

describe("Chan's formula", () => {
  const width = 12;
  const all = vectors(1, 200, width);
  const once = momentsOf({ count: 200, width, values: all });

  test.each([[[0, 100, 200]], [[0, 1, 2, 3, 200]], [[0, 57, 57, 130, 199, 200]]])("parts %j", (cuts) => {
    const parts = cuts.slice(1).map((to, k) => part(all, width, cuts[k]!, to));
    const united = parts
      .filter(({ count }) => count > 0)
      .map(momentsOf)
      .reduce(combine);
    expect(united.count).toBe(200);
    expect(worst(once.mean, united.mean)).toBeLessThan(1e-13);
    expect(worst(once.scatter, united.scatter)).toBeLessThan(1e-12);
  });

  test("the covariance is that of the vectors themselves", () => {
    const [a, b] = [gaussianOf(once), gaussian({ count: 200, width, values: all })];
    expect(worst(b.covariance.values, a.covariance.values)).toBeLessThan(1e-12);
    const empty: Moments = { count: 0, mean: new Float64Array(width), scatter: new Float64Array(once.scatter.length) };
    expect([combine(empty, once), combine(once, empty)]).toEqual([once, once]);
  });

  test("the distance to few vectors is the distance to their Gaussian", () => {
    const a = gaussianOf(once);
    const few = { count: 7, width, values: vectors(3, 7, width) };
    const direct = frechetOfFeatures({ count: 200, width, values: all }, few); // by the singular values of all vectors
    expect(Math.abs(frechetToFew(a, few) / direct - 1)).toBeLessThan(1e-9);
  });
});

test.each([
  ["vectors", 20, 12],
  ["moments, few originals", 300, 7],
  ["moments, many originals", 300, 40],
])("the FID of shards is that of one run: %s", (_, count, originals) => {
  const width = 12;
  const [all, pictures] = [vectors(4, count, width), vectors(5, originals, width)];
  const collect = (from: number, to: number, chunk: number): FeatureSet => {
    const collector = new FeatureCollector(count);
    for (let at = from; at < to; at += chunk) {
      const indices = Array.from({ length: Math.min(chunk, to - at) }, (_, i) => at + i);
      const row = (values: Float32Array, i: number) => values.subarray(i * width, (i + 1) * width);
      collector.add(
        indices.map((i) => row(all, i)),
        new Map(indices.map((i) => [`${Math.floor((i * originals) / count)}`, row(pictures, Math.floor((i * originals) / count))])), // biome-ignore format: one line reads better
      );
    }
    return collector.collected()!;
  };
  const once = fidOf(collect(0, count, 32));
  const cuts = [0, 0.1, 0.15, 0.6, 1].map((share) => Math.round(share * count));
  const united = unite(cuts.slice(1).map((to, k) => collect(cuts[k]!, to, 7)))!;
  expect(united.originals.size).toBe(originals);
  expect(Math.abs(fidOf(united) / once - 1)).toBeLessThan(1e-9);
});

test("auto finds the shard in the array's variables", () => {
  const slurm = { SLURM_ARRAY_TASK_ID: "14", SLURM_ARRAY_TASK_MIN: "10", SLURM_ARRAY_TASK_COUNT: "5", SLURM_ARRAY_TASK_STEP: "2" }; // biome-ignore format: one line reads better
  expect(resolveShard("auto", slurm)).toMatchObject({ index: 3, of: 5 });
  expect(resolveShard("auto", { JOB_COMPLETION_INDEX: "0", INJECTFUSION_SHARDS: "8" })).toMatchObject({
    index: 1,
    of: 8,
  });
  const aws = { AWS_BATCH_JOB_ARRAY_INDEX: "7", AWS_BATCH_JOB_ARRAY_SIZE: "8" };
  expect(resolveShard("auto", aws)).toMatchObject({ index: 8, of: 8 });
  expect(() => resolveShard("auto", {})).toThrow(/found no array job/);
  expect(() => resolveShard("auto", { JOB_COMPLETION_INDEX: "0" })).toThrow(/set INJECTFUSION_SHARDS/);
  expect(() => resolveShard("auto", { ...aws, AWS_BATCH_JOB_ARRAY_INDEX: "8" })).toThrow(
    /shard 9 of 8, expected 1 to n/,
  );
});

let folder = "";
const at = (...path: string[]) => join(folder, ...path);
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "injectfusion-shards-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, count] of [
    ["contents", 5],
    ["originals", 4],
  ] as const) {
    mkdirSync(at(name));
    for (let i = 0; i < count; i++) {
      const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, k) => (k * (3 + i) + 50 * name.length) % 256);
      await sharp(data, { raw: { width: 16, height: 16, channels: 3 } }).toFile(at(name, `${i}.png`));
    }
  }
});

async function cli(line: string) {
  const { engine, calls, of } = fakeEngine();
  const { context, written } = fakeContext(engine);
  const code = await runCli(line.replaceAll("{}", folder).split(" "), context);
  return { code, ...written, calls, inverted: of("invert").reduce((sum, c) => sum + (c.arguments[0] as []).length, 0) };
}
const grid = "grid --contents {}/contents --originals {}/originals --out {}/grid";
type Manifest = { pairs: { file: string }[]; shards: unknown[]; recipe?: unknown; plan: string };
const manifest = (name = "manifest.json") => JSON.parse(readFileSync(at("grid", name), "utf8")) as Manifest;

describe("grid", () => {
  test("shards make every pair once, merging makes one grid of them", async () => {
    const runs = [];
    for (const i of [1, 2, 3, 4]) runs.push(await cli(`${grid} --shard ${i}/4 --quiet`));
    expect(runs.map(({ code, stdout }) => [code, stdout])).toEqual(
      [1, 2, 3, 4].map((i) => [0, `${at("grid", `manifest.${i}-of-4.json`)}\n`]),
    );
    for (const { inverted } of runs) expect(inverted).toBeLessThanOrEqual(5); // 2 or 3 contents, 2 originals
    const listed = [1, 2, 3, 4].flatMap((i) => manifest(`manifest.${i}-of-4.json`).pairs.map(({ file }) => file));
    expect([listed.length, new Set(listed).size]).toEqual([20, 20]);
    const merged = await cli(`${grid} --merge`);
    expect([merged.code, merged.stdout, merged.calls]).toEqual([0, `${at("grid", "sheet.png")}\n`, []]);
    cpSync(at("grid", "manifest.json"), at("merged.json"));
    const whole = await cli(`${grid} --quiet`);
    expect([whole.code, whole.inverted]).toEqual([0, 0]);
    const before = JSON.parse(readFileSync(at("merged.json"), "utf8")) as Manifest;
    expect(manifest().pairs.map(({ file }) => file)).toEqual(before.pairs.map(({ file }) => file));
    expect([before.plan, before.shards.length]).toEqual([manifest().plan, 4]);
  });

  test("merging names what is missing, made otherwise, or gone", async () => {
    for (const i of [1, 3]) await cli(`${grid} --shard ${i}/3 --quiet`);
    const missing = await cli(`${grid} --merge`);
    expect([missing.code, missing.stderr]).toEqual([
      1,
      expect.stringMatching(/shard 2 of 3 is missing; .*--shard 2\/3/),
    ]);
    const other = await cli(`${grid} --shard 2/3 --gamma 0.9 --quiet`);
    expect([other.code, other.stderr]).toEqual([1, expect.stringMatching(/1-of-3\.json: is a shard of another grid \(gamma 0\.9 and 0\.45\)/)]); // biome-ignore format: one line reads better
    const split = await cli(`${grid} --shard 2/4 --quiet`);
    expect([split.code, split.stderr]).toEqual([1, expect.stringMatching(/holds a shard of 3 .*expected shards of 4/)]);
    await cli(`${grid} --shard 2/3 --quiet`);
    const file = at("grid", "manifest.2-of-3.json");
    writeFileSync(file, readFileSync(file, "utf8").replace(/"plan": "\w+"/, '"plan": "0"').replace(/"gamma": [\d.]+/, '"gamma": 0.7')); // biome-ignore format: one line reads better
    const mixed = await cli(`${grid} --merge`);
    expect([mixed.code, mixed.stderr]).toEqual([1, expect.stringMatching(/2-of-3\.json: is a shard of another grid \(gamma .* and 0\.7\)/)]); // biome-ignore format: one line reads better
    expect(existsSync(at("grid", "manifest.json"))).toBe(false);
    rmSync(file);
    await cli(`${grid} --shard 2/3 --quiet`);
    rmSync(at("grid", "0--0.png"));
    const gone = await cli(`${grid} --merge`);
    expect([gone.code, gone.stderr]).toEqual([
      1,
      expect.stringMatching(/0--0\.png: is missing, though a shard made it/),
    ]);
  });

  test("more shards than pairs: some have nothing to do", async () => {
    for (const name of readdirSync(at("contents")).slice(1)) rmSync(at("contents", name));
    for (const name of readdirSync(at("originals")).slice(2)) rmSync(at("originals", name));
    for (const i of [1, 2, 3]) expect((await cli(`${grid} --shard ${i}/3 --quiet`)).code).toBe(0);
    const merged = await cli(`${grid} --merge`);
    expect([merged.code, manifest().pairs.length]).toEqual([0, 2]);
  });

  test("a bad picture fails in the shards that need it, and in the merged grid", async () => {
    writeFileSync(at("contents", "0.png"), "no picture");
    const codes = [];
    for (const i of [1, 2]) codes.push((await cli(`${grid} --shard ${i}/2 --quiet`)).code);
    expect(codes.sort()).toEqual([0, 1]);
    const merged = await cli(`${grid} --merge`);
    expect([merged.code, merged.stderr]).toEqual([1, expect.stringMatching(/4 of 20 pairs failed/)]);
  });
});

describe("evaluate", () => {
  const line = "evaluate --results {}/grid --originals {}/originals --contents {}/contents --quiet --json";

  test("shards put together are one run, to the last figure", async () => {
    await cli(`${grid} --quiet`);
    const whole = await cli(`${line} --out {}/whole.csv`);
    for (const i of [1, 2, 3]) {
      const shard = await cli(`${line} --shard ${i}/3 --out {}/figures.csv`);
      expect([shard.code, JSON.parse(shard.stdout).part]).toEqual([0, at(`figures.${i}-of-3.json`)]);
    }
    const merged = await cli(`${line} --merge --out {}/figures.csv`);
    expect([merged.code, merged.stdout]).toEqual([0, whole.stdout]);
    expect(readFileSync(at("figures.csv"), "utf8")).toBe(readFileSync(at("whole.csv"), "utf8"));
    rmSync(at("figures.2-of-3.json"));
    const missing = await cli(`${line} --merge --out {}/figures.csv --replace`);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/shard 2 of 3 is missing/)]);
  });

  test.each([
    [`${line} --merge`, 2, /--merge needs --out FILE\.csv/],
    [`${line} --shard 1/2 --merge --out {}/f.csv`, 2, /leave out --shard/],
    [`${line} --merge --out {}/f.csv`, 1, /found no shard of it \(f\.1-of-2\.json\)/],
    [`${line} --shard 3/2 --out {}/f.csv`, 2, /must lie between 1 and 2/],
    [`${grid} --shard 0/2`, 2, /must lie between 1 and 2/],
    [`${grid} --shard 1-2`, 2, /must look like "3\/16", or be "auto"/],
    [`${grid} --shard 1/2 --merge`, 2, /leave out --shard/],
    [`${grid} --merge`, 1, /holds no manifest of a shard/],
  ])("refused in one line: %s", async (given, code, message) => {
    mkdirSync(at("grid"));
    cpSync(at("contents", "0.png"), at("grid", "0--0.png"));
    const run = await cli(given);
    expect([run.code, run.stdout, run.calls]).toEqual([code, "", []]);
    expect(run.stderr).toMatch(message);
  });
});
