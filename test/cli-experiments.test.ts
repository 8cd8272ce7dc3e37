import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { runCli } from "../src/cli/cli";
import { csv } from "../src/cli/table";
import { NonFiniteError } from "../src/errors";
import { scheduleGamma } from "../src/experiments/gamma-schedule";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import type { InjectOptions } from "../src/inject/options";
import type { InjectStep } from "../src/inject/plan-inject";
import { fakeContext, fakeEngine } from "./support/fake-engine";

let folder = "";
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "injectfusion-experiments-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const plain = (background: string) => sharp({ create: { width: 8, height: 8, channels: 3, background } }).png();
  for (const [name, colours] of [
    ["contents", ["red", "green", "blue"]],
    ["originals", ["white", "grey"]],
  ] as const) {
    mkdirSync(join(folder, name));
    for (const colour of colours) await plain(colour).toFile(join(folder, name, `${colour}.png`));
  }
});
const at = (...path: string[]) => join(folder, ...path);

async function cli(line: string, overrides: Partial<Model> = {}, interruption = new AbortController()) {
  const { engine, calls, of } = fakeEngine(overrides);
  const { context, written } = fakeContext(engine, interruption);
  const words = line.split(" ").map((word) => word.replace("{}", folder));
  return { code: await runCli(words, context), ...written, calls, of };
}
const runs = (run: { of(name: string): { arguments: unknown[] }[] }) =>
  run.of("inject").map((call) => call.arguments[0] as InjectOptions & Record<"content" | "original", Inversion>);

const gridLine = "grid --contents {}/contents --originals {}/originals --out {}/grid";
const manifest = () =>
  JSON.parse(readFileSync(at("grid", "manifest.json"), "utf8")) as {
    pairs: { file: string; status: string; error?: string }[];
  };

test("grid: every pair, inversions once and together, full batches, a sheet and a manifest", async () => {
  const run = await cli(`${gridLine} --batch 4 --gamma 0.5`);
  expect([run.code, run.stdout]).toEqual([0, `${at("grid", "sheet.png")}\n`]);
  expect(readdirSync(at("grid")).sort()).toEqual([
    ...["blue", "green", "red"].map((content) => `grey--${content}.png`),
    "manifest.json",
    "sheet.png",
    ...["blue", "green", "red"].map((content) => `white--${content}.png`),
  ]);
  expect(run.of("invert").map((call) => (call.arguments[0] as unknown[]).length)).toEqual([4, 1]);
  expect(runs(run).map(({ content, original }) => [content?.count, original.count])).toEqual([
    [3, 1],
    [3, 1],
  ]);
  expect(manifest().pairs.map(({ status }) => status)).toEqual(Array(6).fill("done"));
});

test("grid: a second run keeps what is there and makes what is missing", async () => {
  await cli(gridLine);
  rmSync(at("grid", "grey--red.png"));
  writeFileSync(at("grid", "white--blue.png"), readFileSync(at("grid", "white--blue.png")).subarray(0, 60)); // cut short
  const before = statSync(at("grid", "grey--blue.png")).mtimeMs;
  const broken = await cli(gridLine);
  expect(broken.stderr).toMatch(/white--blue\.png: exists, made with other pictures or parameters/);
  const run = await cli(`${gridLine} --replace`);
  expect(run.code).toBe(0);
  expect(statSync(at("grid", "grey--blue.png")).mtimeMs).toBe(before);
  expect(
    manifest()
      .pairs.filter(({ status }) => status === "done")
      .map(({ file }) => file),
  ).toEqual(["grey--red.png", "white--blue.png"]);
  const other = await cli(`${gridLine} --gamma 0.1`);
  expect([other.code, other.stderr]).toEqual([1, expect.stringMatching(/give another --out, or add --replace/)]);
});

test("grid: bad pictures and failing pairs are reported, the others are made, the status is 1", async () => {
  writeFileSync(at("contents", "bad.png"), "no picture");
  const { model } = fakeEngine();
  const inject = async (run: InjectOptions) => {
    if ((run.content as Inversion).count > 1) throw new NonFiniteError("step 3: a value is not finite"); // alone, each is fine
    return model.inject(run);
  };
  const run = await cli(gridLine, { inject } as Partial<Model>);
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(/failed: .*bad\.png: is not a picture/);
  expect(run.stderr).toMatch(/2 of 8 pairs failed/);
  expect(
    manifest()
      .pairs.filter(({ status }) => status === "failed")
      .map(({ file }) => file),
  ).toEqual(["grey--bad.png", "white--bad.png"]);
  expect(existsSync(at("grid", "white--red.png"))).toBe(true);
});

test("grid: interrupted, it keeps what is finished and ends with 130", async () => {
  const interruption = new AbortController();
  const { model } = fakeEngine();
  let count = 0;
  const inject = async (run: InjectOptions) => {
    if (++count === 2) interruption.abort();
    run.signal?.throwIfAborted();
    return model.inject(run);
  };
  const run = await cli(gridLine, { inject } as Partial<Model>, interruption);
  expect(run.code).toBe(130);
  expect(readdirSync(at("grid")).sort()).toEqual([
    "grey--blue.png",
    "grey--green.png",
    "grey--red.png",
    "manifest.json",
  ]);
});

const pair = "--content {}/contents/red.png --original {}/originals/grey.png";

test("sweep: one list makes a strip and an animation", async () => {
  const run = await cli(`sweep ${pair} --gamma 0:0.6:4 --out {}/s.png --animation {}/s.webp`);
  expect([run.code, run.stdout]).toEqual([0, `${at("s.png")}\n${at("s.webp")}\n`]);
  expect(runs(run)[0]!.variants?.map(({ gamma }) => gamma)).toEqual([0, 0.2, 0.4, 0.6]);
  const animation = await sharp(at("s.webp"), { animated: true }).metadata();
  expect([animation.pages, animation.loop]).toEqual([6, 0]); // there and back
});

test("sweep: two lists make a sheet; settings that cannot share a batch run apart", async () => {
  const run = await cli(`sweep ${pair} --gamma 0.2,0.4 --omega off,0.3 --out {}/s.png`);
  expect([run.code, run.stderr.match(/error.*/)?.[0]]).toEqual([0, undefined]);
  const batches = runs(run).map(({ variants }) => variants?.map(({ gamma, omega }) => [gamma, omega]));
  expect(batches).toEqual([
    [
      [0.2, "off"],
      [0.4, "off"],
    ],
    [
      [0.2, 0.3],
      [0.4, 0.3],
    ],
  ]);
});

test.each([
  [`sweep ${pair} --out {}/s.png`, 2, /found 0 lists of values/],
  [`sweep ${pair} --gamma 0:0.6:3 --animation {}/s.mp4 --out {}/s.png`, 2, /name the file \*\.webp or \*\.gif/],
  [`sweep ${pair} --gamma 0:1.6:3 --out {}/s.png`, 2, /between 0 and 1/],
  [`sweep ${pair} --t-boost 0,500 --t-edit 400 --out {}/s.png`, 2, /--t-boost 500 is above --t-edit 400/],
  ["grid --contents {}/none --originals {}/originals --out {}/grid", 1, /none: no such folder/],
  ["grid --contents {} --originals {}/originals --out {}/grid", 1, /holds no picture/],
  ["grid --contents {}/contents --originals {}/originals --out {}/a/b", 1, /folder above it does not exist/],
  ["correlate --images {}/originals --out {}/c --gamma x", 2, /not a number/],
  ["evaluate --results {}/contents --originals {}/originals --contents {}/contents", 1, /no result could be measured/],
  [
    "evaluate --results {}/contents --originals {}/originals --contents {}/contents --fid {}/x.onnx",
    1,
    /no result could be measured/,
  ],
])("refused before any work: %s", async (line, code, message) => {
  const run = await cli(line);
  expect([run.code, run.stdout, run.calls]).toEqual([code, "", []]);
  expect(run.stderr).toMatch(message);
});

test("evaluate: figures without any network for the results of a grid; strangers are named", async () => {
  await cli(gridLine);
  const line =
    "evaluate --results {}/grid --originals {}/originals --contents {}/contents --out {}/figures.csv --json --quiet --replace";
  const run = await cli(line);
  expect([run.code, run.stderr]).toEqual([0, ""]);
  const [set] = (JSON.parse(run.stdout) as { sets: { results: number; psnr: number; paletteKept: number }[] }).sets;
  expect(set).toMatchObject({ set: at("grid"), results: 6, paletteKept: 1 }); // grey results: nearer grey and white
  expect(set!.psnr).toBeGreaterThan(5);
  expect(readFileSync(at("figures.csv"), "utf8").split("\r\n")).toHaveLength(8);
  cpSync(at("originals", "grey.png"), at("grid", "stray.png"));
  const strange = await cli(line);
  expect([strange.code, strange.stderr]).toEqual([
    1,
    expect.stringMatching(/stray\.png: does not say what it was made of/),
  ]);
});

test("evaluate: results made elsewhere are matched by their names", async () => {
  await cli(gridLine);
  const bare = async (name: string) => sharp(await sharp(at("grid", name)).toBuffer()).toFile(at("bare", name));
  mkdirSync(at("bare"));
  for (const name of ["grey--red.png", "white--blue.png"]) await bare(name);
  await sharp(at("grid", "grey--red.png")).resize(16, 12).toFile(at("bare", "grey--green.png"));
  const line = "evaluate --originals {}/originals --contents {}/contents --json --quiet --results";
  const [named, made] = [await cli(`${line} {}/bare`), await cli(`${line} {}/grid`)];
  expect([named.code, named.stderr]).toEqual([
    1,
    expect.stringMatching(/grey--green\.png: is 16x12; results are square/),
  ]);
  const setOf = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as { sets: { results: number }[] }).sets[0]!;
  expect(setOf(named)).toMatchObject({ set: at("bare"), results: 2 });
  expect(setOf(made)).toMatchObject({ set: at("grid"), results: 6 });
});

test("evaluate: features of portraits are for pictures of their size; an order needs something to order by", async () => {
  await cli(gridLine);
  const line = "evaluate --results {}/grid --originals {}/originals --contents {}/contents";
  const small = await cli(`${line} --portrait-features`);
  expect([small.code, small.stderr]).toEqual([1, expect.stringMatching(/see 64x64 pixels, a result has 16x16/)]);
  const bare = await cli(`${line} --ordered`);
  expect([bare.code, bare.stderr]).toEqual([2, expect.stringMatching(/add --portrait-features/)]);
});

test("gamma schedules keep gamma within [0, 1] and leave plain steps alone", () => {
  const plan = [900, 700, 500, 300].map(
    (t): InjectStep => ({
      graph: t >= 400 ? "injected" : "plain",
      t,
      samples: [{ t, next: t - 200, gammas: [t >= 400 ? 0.6 : 0] }],
      bankTime: t,
    }),
  );
  const gammas = (name: Parameters<typeof scheduleGamma>[0]) =>
    scheduleGamma(name)(plan).map((step) => Number(step.samples[0]!.gammas![0]!.toFixed(3)));
  expect(gammas("constant")).toEqual([0.6, 0.6, 0.6, 0]);
  expect(gammas("fade")).toEqual([1, 0.6, 0, 0]);
  expect(gammas("rise")).toEqual([0, 0.6, 1, 0]);
  expect(gammas("bell")).toEqual([0, 1, 0, 0]);
  expect(() => scheduleGamma("zigzag" as "fade")).toThrow(/no gamma schedule "zigzag"/);
});

test("CSV quotes what needs it", () => {
  expect(
    csv(
      ["a", "b"],
      [
        ["x,y", 1],
        ['"', Number.NaN],
      ],
    ),
  ).toBe('a,b\r\n"x,y",1\r\n"""",\r\n');
});
