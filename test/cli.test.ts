import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runCli } from "../src/cli/cli";
import { Reporter } from "../src/cli/reporter";
import { NonFiniteError } from "../src/errors";
import type { Model } from "../src/inject/model";
import type { InjectOptions } from "../src/inject/options";
import type { Result } from "../src/inject/result";
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
const pair = "inject --content {}/a.png --original {}/b.jpg --replace --out {}/out.png";

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
      stepsInversion: 20,
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
    [`${pair} --xylophone`, /unknown option '--xylophone'/],
    ["xyzzy", /unknown command 'xyzzy'/],
    ["sample --count 0", /--count/],
    ["reconstruct", /missing required argument 'image'/],
    ["reconstruct {}/a.png --report 10:20", /from:to:count/],
    [`${pair} --omega on`, /--omega.*number from 0 to 1, or "off"/],
    ["inject --content {}/a.png --original {}/b.jpg --out {}/bad.jpg", /--out .*name the file \*\.png/],
    ["inject --content {}/a.png --original {}/b.jpg --out {}", /--out .*name the file \*\.png/],
    [`${pair.replace("out.png", "bad.png")} --t-edit 300 --t-boost 301`, /--t-boost 301 is above --t-edit 300/],
    [`${pair.replace("out.png", "bad.png")} --preset best`, /--preset best: .*presets are fast, quick, paper/],
    ["inject --original {}/b.jpg --out {}/bad.png", /no content; give --content/],
    ["inject --content {}/a.png --out {}/bad.png", /no original; give --original/],
    [`${pair.replace("out.png", "bad.png")} --gamma 0.1 --gamma 0.2`, /--gamma: given 2 times for 1 content;/],
    [`${pair.replace("out.png", "bad.png")} --mask {}/mask.png --mask {}/mask.png`, /--mask: given 2 times for 1 /],
    [`${pair} --original-inversion {}/kept.inv`, /'--original-inversion .* cannot be used with .*'--original/],
    [`${pair} --strip {}/out.png`, /--strip .*out\.png: is the same file as --out/],
    ["sweep --content {}/a.png --original {}/b.jpg --out {}/bad.png --gamma 0.5", /found 0 lists of values/],
    [
      "sweep --content {}/a.png --original {}/b.jpg --out {}/bad.png --gamma 0,1 --animation {}/x.mp4",
      /--animation .*\*\.webp or \*\.gif/,
    ],
    [
      "evaluate --results {} --originals {} --contents {} --ordered --portrait-features",
      /--ordered .*--results twice or more/,
    ],
    ["grid --contents {} --originals {}/x --out {}", /--out .*is the folder of --contents/],
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
    [
      "inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --mask {}/odd-mask.png",
      /mask is 5x16, expected a square/,
    ],
    ["inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --mask {}/black.png", /black everywhere/],
    [
      "inject --content {}/a.png --original {}/b.jpg --out {}/bad.png --omega-region 0={}/odd-mask.png",
      /mask is 5x16, expected a square/,
    ],
    ["reconstruct {}/none.png", /none\.png: no such file/],
    ["sample --out {}/no/bad.png", /does not exist/],
    ["sample --out {}/bad.png --model portrait64", /--model portrait64: .*did you mean portraits64\?/],
    ["sample --out {}/bad.png --model celeba", /--model celeba: .*did you mean celebahq\?/],
    ["sample --out {}/bad.png --model zzzz", /--model zzzz: .*models are portraits64, celebahq/],
    ["sample --out {}/bad.png --model ffhq=", /--model ffhq=: expected a file behind the "=", as in ffhq=FILE/],
    ["sample --out {}/bad.png --model ffhq", /--model ffhq: .*is on no hub; get /],
    ["inspect portrait64", /did you mean portraits64\?/],
    [
      "inject --content {}/a.png --original-inversion {}/text.png --out {}/bad.png",
      /--original-inversion .*text\.png: is no saved inversion/,
    ],
    ["convert {}/text.png {}/no/bad.safetensors", /<out> .*the folder .*no does not exist/],
  ])("%s", async (line, message) => {
    const before = readdirSync(folder);
    const run = await cli(line);
    expect([run.code, run.stdout, run.calls]).toEqual([1, "", []]);
    expect(run.stderr).toMatch(message);
    expect(run.stderr.trim().split("\n")).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(before);
  });
});

describe("files that exist: never an input, nothing else without --replace", () => {
  const bytes = (name: string) => readFileSync(at(name));

  test.each([
    ["inject --content {}/dup.png --original {}/b.jpg --out {}/dup.png", /--out .*dup\.png: is the input --content/],
    ["inject --content {}/a.png --original {}/b.jpg --mask {}/dup.png --out {}/dup.png", /is the input --mask/],
    ["inject --content {}/dup.png --original {}/b.jpg --out {}/new.png --strip {}/dup.png", /--strip .*is the input/],
    ["inject --content {}/dup.png --original {}/b.jpg --out {}/link.png", /link\.png: is the input --content/],
    ["sweep --content {}/a.png --original {}/dup.png --gamma 0,1 --out {}/dup.png", /is the input --original/],
    ["compare --content {}/a.png --original {}/dup.png --out {}/dup.png", /is the input --original/],
    ["reconstruct {}/dup.png --out {}/dup.png", /is the input picture/],
    ["sample --model {}/dup.png --out {}/dup.png", /is the input --model/],
    ["convert {}/dup.png {}/dup.png", /<out> .*is the input <in>/],
  ])("%s", async (line, message) => {
    copyFileSync(at("a.png"), at("dup.png"));
    rmSync(at("link.png"), { force: true });
    symlinkSync(at("dup.png"), at("link.png"));
    const before = bytes("dup.png");
    for (const flags of ["", " --replace"]) {
      const run = await cli(line + flags);
      expect([run.code, run.calls]).toEqual([1, []]);
      expect(run.stderr).toMatch(message);
      expect(bytes("dup.png").equals(before)).toBe(true);
    }
  });

  test("another file is refused, and replaced with --replace", async () => {
    writeFileSync(at("mine.png"), "mine");
    const line = pair.replace("out.png", "mine.png");
    const refused = await cli(line.replace(" --replace", ""));
    expect([refused.code, refused.calls, bytes("mine.png").toString()]).toEqual([1, [], "mine"]);
    expect(refused.stderr).toMatch(/--out .*mine\.png: exists already; give another name, or add --replace/);
    expect((await cli(line)).code).toBe(0);
    expect(readPngText(bytes("mine.png")).Software).toMatch(/^injectfusion/);
  });

  test("saved inversions and tables are files too", async () => {
    writeFileSync(at("old-content-1.inv"), "mine");
    writeFileSync(at("t.csv"), "mine");
    const saved = await cli("inject --content {}/a.png --original {}/b.jpg --out {}/s.png --save-inversion {}/old");
    expect([saved.code, saved.stderr]).toEqual([
      1,
      expect.stringMatching(/--save-inversion .*old-content-1\.inv: exists/),
    ]);
    const compared = await cli("compare --content {}/a.png --original {}/b.jpg --out {}/t.png");
    expect([compared.code, compared.stderr]).toEqual([1, expect.stringMatching(/t\.csv: exists/)]);
  });
});

describe("what may not be meant gets a line on stderr", () => {
  const note = async (line: string) => {
    const run = await cli(`${line} --replace`);
    expect(run.code).toBe(0);
    expect((await cli(`${line} --replace --quiet`)).stderr).toBe("");
    return run.stderr.split("\n").filter((text) => text.startsWith("note: "));
  };

  test("a crop, a tiny picture, frames", async () => {
    const plain = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: "teal" } }).png();
    await plain(40, 30).toFile(at("wide.png"));
    await plain(3, 400).toFile(at("thin.png"));
    const frames = await Promise.all(
      ["red", "lime", "blue"].map((background) =>
        sharp({ create: { width: 20, height: 20, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    await sharp(frames, { join: { animated: true } })
      .gif()
      .toFile(at("moves.gif"));
    const run = "inject --out {}/noted.png";
    expect(await note(`${run} --content {}/wide.png --original {}/moves.gif`)).toEqual([
      expect.stringMatching(/--original .*moves\.gif has 3 frames: the first is used/),
      expect.stringMatching(/--content .*wide\.png is 40x30: the model sees its centre square of 30x30/),
    ]);
    expect(await note(`${run} --content {}/thin.png --original {}/moves.gif`)).toContainEqual(
      expect.stringMatching(/thin\.png is 3x400: its 3x3 square is enlarged/),
    );
  });

  test("values that do nothing", async () => {
    const run = pair.replace("out.png", "noted.png").replace("b.jpg", "mask.png").replace("a.png", "black.png");
    expect(await note(`${run} --t-edit 1000 --gamma 0.5`)).toContainEqual(
      expect.stringMatching(/--t-edit 1000 is above .*: nothing is injected/),
    );
    const header = Buffer.alloc(16, "{}      ");
    header.writeBigUInt64LE(8n);
    writeFileSync(at("s.inv"), header);
    const saved = "inject --content-inversion {}/s.inv --original-inversion {}/s.inv --out {}/noted.png";
    expect(await note(`${saved} --steps-inversion 9`)).toEqual([
      expect.stringMatching(/--steps-inversion 9 does not apply: the saved inversion has 50/),
    ]);
  });
});

test("every command has help with groups and examples", async () => {
  const names = [...(await cli("--help")).stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) {
    const { code, stdout } = await cli(`${name} --help`);
    expect([code, stdout], name).toEqual([0, expect.stringMatching(/^Examples:\n {2}injectfusion /m)]);
    expect(stdout, name).not.toContain("default: []");
  }
});

test("progress counts megabytes and names what goes on", async () => {
  const written: string[] = [];
  const terminal = { stdout: { write: () => {} }, stderr: { write: (text: string) => written.push(text) } };
  vi.useFakeTimers();
  try {
    const work = new Reporter(terminal).phase(
      "load model",
      async (report) => {
        await vi.advanceTimersByTimeAsync(2000);
        report(1_000_000, 11_360_646);
        await vi.advanceTimersByTimeAsync(11_000);
        report(5_500_000, 11_360_646);
        report(1, 12, "tune kernels");
      },
      { unit: "MB", before: "compiling shaders" },
    );
    await work;
  } finally {
    vi.useRealTimers();
  }
  expect(written.map((line) => line.trim())).toEqual([
    "load model: compiling shaders",
    "load model 5.5/11.4 MB",
    "tune kernels 1/12",
    expect.stringMatching(/^load model .* s$/),
  ]);
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

test("reconstruct says in words and in JSON what a picture that is equal to the byte is", async () => {
  const same = {
    toPixels: async () => [{ data: new Uint8Array(1024).fill(100), width: 16, height: 16 }],
    read: async () => new Float32Array(3 * 256).fill(0.01),
    dispose: () => {},
  } as unknown as Result;
  const engine = { reconstruct: async () => same };
  expect((await cli("reconstruct {}/a.png --quiet", engine)).stdout).toBe("equal (46.02 dB before rounding)\n");
  const { rows } = JSON.parse((await cli("reconstruct {}/a.png --json", engine)).stdout);
  expect(rows).toEqual([
    { stepsInversion: 20, steps: 20, psnr: null, psnrUnrounded: expect.closeTo(46.0206, 3), maxDifference: 0 },
  ]);
  const apart = JSON.parse((await cli("reconstruct {}/a.png --json")).stdout);
  expect(apart.rows).toEqual([expect.objectContaining({ psnr: expect.closeTo(22.11, 2), maxDifference: 20 })]);
});

test("sample fills batches and draws a sheet", async () => {
  const run = await cli("sample --count 20 --seed 3 --out {}/sheet.png --quiet");
  expect([run.code, run.stdout]).toEqual([0, `${at("sheet.png")}\n`]);
  expect(run.of("sample").map((call) => (call.arguments[0] as { count: number }).count)).toEqual([16, 4]);
});

test("info --models lists the paper's models without a device", async () => {
  const run = await cli("info --models");
  expect([run.code, run.calls, run.stdout.trim().split("\n").length]).toEqual([0, [], 10]);
  expect(run.stdout).toMatch(/^celebahq +CelebA-HQ 256 \(DDPM\) +113673219 +faces/m);
});

test("help and version are no failures", async () => {
  const help = await cli("--help");
  expect([help.code, help.stderr]).toEqual([0, ""]);
  expect(help.stdout).toMatch(/^Pictures:\n {2}start .*^Experiments .*^Models and devices:.*^Examples:\n/ms);
  expect((await cli("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
