import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../src/cli/cli";
import { NonFiniteError } from "../src/errors";
import type { Model } from "../src/inject/model";
import type { InjectOptions } from "../src/inject/options";
import { readPngText } from "../src/platform/png-text";
import { fakeContext, fakeEngine } from "./support/fake-engine";

const folder = mkdtempSync(join(tmpdir(), "injectfusion-cli-"));
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  const plain = (background: string, width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background } });
  await plain("red", 8, 8).png().toFile(at("a.png"));
  await plain("blue", 12, 8).jpeg().toFile(at("b.jpg"));
  await plain("white", 8, 8).png().toFile(at("mask.png"));
  await plain("white", 24, 16).png().toFile(at("wide-mask.png"));
  await plain("white", 5, 16).png().toFile(at("odd-mask.png"));
  await plain("black", 8, 8).png().toFile(at("black.png"));
  writeFileSync(at("text.png"), "this is no picture");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the command line against a stand-in of the library. `{}` in an argument is the test's folder. */
async function cli(line: string, overrides: Partial<Model> = {}, interruption = new AbortController()) {
  const { engine, calls, of } = fakeEngine(overrides);
  const { context, written } = fakeContext(engine, interruption);
  const code = await runCli(
    line.split(" ").map((word) => word.replace("{}", folder)),
    context,
  );
  return { code, ...written, calls, of };
}
const pair = "inject --content {}/a.png --original {}/b.jpg --out {}/out.png";

describe("inject", () => {
  test("writes the picture with its parameters, and says where", async () => {
    const run = await cli(`${pair} --gamma 0.5 --omega off --t-edit 500 --t-boost 100 --steps 20 --seed 7 --strip`);
    expect(run.stderr).toContain("adapter: fake adapter (software adapter, no GPU)");
    expect([run.code, run.stdout]).toEqual([0, `${at("out.png")}\n${at("out-strip.png")}\n`]);
    const parameters = JSON.parse(readPngText(readFileSync(at("out.png"))).Parameters!);
    expect(parameters).toMatchObject({
      command: "inject",
      model: "fake",
      gamma: 0.5,
      omega: "off",
      tEdit: 500,
      tBoost: 100,
    });
    expect(parameters).toMatchObject({
      steps: 20,
      seed: 7,
      stepsInversion: 50,
      original: "b.jpg",
      contents: ["a.png"],
    });
    const strip = await sharp(at("out-strip.png")).metadata();
    expect(strip.width).toBeGreaterThan(3 * 256);
    expect(run.of("invert")).toHaveLength(1); // both pictures in one batch
    expect(run.of("destroy device")).toHaveLength(1);
  });

  test("--json prints one object, --quiet nothing else", async () => {
    const run = await cli(`${pair} --json --quiet --preset paper`);
    expect([run.code, run.stderr]).toEqual([0, ""]);
    expect(JSON.parse(run.stdout)).toMatchObject({
      out: at("out.png"),
      omega: 0.3,
      stepsInversion: 1000,
      adapter: "fake adapter",
    });
  });

  test("several contents, each with its gamma and mask", async () => {
    const run = await cli(
      `${pair} --content {}/b.jpg --gamma 0.2 --gamma 0.6 --mask {}/mask.png --mask {}/wide-mask.png`,
    );
    expect([run.code, run.stderr.match(/error.*/)?.[0]]).toEqual([0, undefined]);
    const [given] = run.of("inject")[0]!.arguments as [
      { contents: { gamma: number; mask: { width: number; height: number } }[] },
    ];
    expect(given.contents.map(({ gamma, mask }) => [gamma, mask.width, mask.height])).toEqual([
      [0.2, 8, 8],
      [0.6, 24, 16], // of the aspect of the original
    ]);
  });

  test("omega by region", async () => {
    const run = await cli(`${pair} --omega-region 0={}/mask.png --omega-region 0.8={}/wide-mask.png`);
    expect([run.code, run.stderr.match(/error.*/)?.[0]]).toEqual([0, undefined]);
    const [{ omegaRegions }] = run.of("inject")[0]!.arguments as [InjectOptions];
    expect(omegaRegions?.map(({ omega, mask }) => [omega, mask !== "official" && mask.width])).toEqual([
      [0, 8],
      [0.8, 24],
    ]);
  });

  test("inversions are saved and used again", async () => {
    const saved = await cli(`${pair} --save-inversion {}/kept`);
    expect([saved.code, existsSync(at("kept-original.inv")), existsSync(at("kept-content-1.inv"))]).toEqual([
      0,
      true,
      true,
    ]);
    const used = await cli(
      "inject --content-inversion {}/kept-content-1.inv --original-inversion {}/kept-original.inv --out {}/again.png",
    );
    expect([used.code, used.of("invert").length, used.of("loadInversion").length]).toEqual([0, 0, 2]);
  });
});

describe("usage errors: status 2, one line, no device", () => {
  test.each([
    ["inject --content {}/a.png --original {}/b.jpg", /required option '--out/],
    [`${pair} --gamma 1.2`, /--gamma.*between 0 and 1/],
    [`${pair} --gamma -0.1`, /--gamma.*between 0 and 1/],
    [`${pair} --gamma abc`, /--gamma.*not a number/],
    [`${pair} --omega -0.1`, /--omega.*between 0 and 1/],
    [`${pair} --omega 1.5`, /--omega.*between 0 and 1/],
    [`${pair} --omega-region 0.5`, /--omega-region.*like "0.2=left.png"/],
    [`${pair} --omega-region 2=m.png`, /--omega-region.*between 0 and 1/],
    [`${pair} --t-edit 1001`, /--t-edit.*between 0 and 1000/],
    [`${pair} --t-boost -1`, /--t-boost/],
    [`${pair} --steps 0`, /--steps.*between 2 and 1000/],
    [`${pair} --steps 10.5`, /--steps.*whole number/],
    [`${pair} --steps-inversion 1001`, /--steps-inversion/],
    [`${pair} --rule stir`, /--rule.*slerp/],
    [`${pair} --colour`, /unknown option '--colour'/],
    ["stir", /unknown command 'stir'/],
    ["sample --count 0", /--count/],
    ["reconstruct", /missing required argument 'image'/],
    ["reconstruct {}/a.png --report 10:20", /from:to:count/],
  ])("%s", async (line, message) => {
    const run = await cli(line);
    expect([run.code, run.stdout, run.calls]).toEqual([2, "", []]);
    expect(run.stderr).toMatch(message);
    expect(run.stderr.trim().split("\n")).toHaveLength(1);
  });
});

describe("bad input: status 1, one line, nothing opened, nothing written", () => {
  test.each([
    ["inject --content {}/none.png --original {}/b.jpg --out {}/bad.png", /none\.png: no such file/],
    ["inject --content {}/a.png --original {}/text.png --out {}/bad.png", /text\.png: is not a picture/],
    ["inject --content {}/a.png --original {}/b.jpg --out {}/no/bad.png", /folder .*no does not exist/],
    ["inject --content {}/a.png --original {}/b.jpg --out {}/bad.jpg", /name the file \*\.png/],
    ["inject --content {}/a.png --original {}/b.jpg --out {}", /name the file \*\.png/],
    [
      "inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --mask {}/odd-mask.png",
      /mask is 5x16, needed a square/,
    ],
    ["inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --mask {}/black.png", /black everywhere/],
    [
      "inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --omega-region 0={}/odd-mask.png",
      /mask is 5x16, needed a square/,
    ],
    [
      "inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --t-edit 300 --t-boost 301",
      /tBoost 301 is above tEdit 300/,
    ],
    ["inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --preset best", /presets are quick, paper/],
    ["inject --original {}/b.jpg --out {}/bad.png", /no content; give --content/],
    ["inject --content {}/a.png --out {}/bad.png", /no original; give --original/],
    [
      "inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --gamma 0.1 --gamma 0.2",
      /2 times --gamma for 1 content/,
    ],
    ["reconstruct {}/none.png", /none\.png: no such file/],
    ["sample --out {}/no/bad.png", /does not exist/],
  ])("%s", async (line, message) => {
    const before = readdirSync(folder);
    const run = await cli(line);
    expect([run.code, run.stdout, run.calls]).toEqual([1, "", []]);
    expect(run.stderr).toMatch(message);
    expect(run.stderr.trim().split("\n")).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(before);
  });
});

test("a failure on the GPU is one line, closes the device and writes nothing", async () => {
  const before = readdirSync(folder);
  const inject = async () => {
    throw new NonFiniteError("mid.block_1: a value is not finite");
  };
  const run = await cli(pair.replace("out.png", "nan.png"), { inject });
  expect([run.code, run.stdout, run.of("destroy device").length]).toEqual([1, "", 1]);
  expect(run.stderr).toMatch(/^error: mid\.block_1: a value is not finite$/m);
  expect(readdirSync(folder)).toEqual(before);
});

test("a defect keeps its stack", async () => {
  const inject = async () => {
    throw new TypeError("x is undefined");
  };
  const run = await cli(pair, { inject });
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(/TypeError: x is undefined\n\s+at /);
});

test("an interrupted run ends with 130 and writes nothing", async () => {
  const before = readdirSync(folder);
  const interruption = new AbortController();
  setImmediate(() => interruption.abort());
  const run = await cli(pair.replace("out.png", "never.png"), {}, interruption);
  expect([run.code, run.stdout, run.of("destroy device").length]).toEqual([130, "", 1]);
  expect(readdirSync(folder)).toEqual(before);
});

test("reconstruct prints PSNR, and with --report one line for each number of steps", async () => {
  const one = await cli("reconstruct {}/a.png");
  expect([one.code, one.stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d\d dB\n$/)]);
  const report = await cli("reconstruct {}/a.png --report 10,20 --quiet");
  expect(report.stdout).toMatch(/^steps {2}PSNR\/dB\n {3}10 +\d+\.\d\d\n {3}20 +\d+\.\d\d\n$/);
});

test("sample fills batches and draws a sheet", async () => {
  const run = await cli("sample --count 20 --seed 3 --out {}/sheet.png --quiet");
  expect([run.code, run.stdout]).toEqual([0, `${at("sheet.png")}\n`]);
  expect(run.of("sample").map((call) => (call.arguments[0] as { count: number }).count)).toEqual([16, 4]);
});

test("info --models lists the paper's models without a device", async () => {
  const run = await cli("info --models");
  expect([run.code, run.calls, run.stdout.trim().split("\n").length]).toEqual([0, [], 9]);
  expect(run.stdout).toMatch(/^celebahq +CelebA-HQ 256 \(DDPM\) +113673219 +faces/m);
});

test("help and version are no failures", async () => {
  const help = await cli("--help");
  expect([help.code, help.stderr]).toEqual([0, ""]);
  expect(help.stdout).toContain("inject");
  expect((await cli("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
