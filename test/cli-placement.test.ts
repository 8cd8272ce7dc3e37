import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PlacedImage } from "../src/api";
import { runCli } from "../src/cli/cli";
import { placedPixels, sourceOf } from "../src/inject/images";
import { decodeImage } from "../src/platform/images-node";
import { PARAMETERS, readPngText } from "../src/platform/png-text";
import { testDevice } from "./support/device";
import { fakeContext, fakeEngine } from "./support/fake-engine";

const folder = mkdtempSync(join(tmpdir(), "injectfusion-place-"));
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  const plain = (background: string, width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background } });
  await plain("red", 60, 40).png().toFile(at("a.png"));
  await plain("blue", 80, 60).jpeg().toFile(at("b.jpg"));
  await plain("green", 30, 30).png().toFile(at("c.png"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function cli(line: string, overrides = {}) {
  const { engine, calls, of } = fakeEngine(overrides);
  const { context, written } = fakeContext(engine);
  const code = await runCli(
    line.split(" ").map((word) => word.replace("{}", folder)),
    context,
  );
  return { code, ...written, calls, of };
}
/** Placements of the pictures inverted: the original's first. */
const placements = (run: Awaited<ReturnType<typeof cli>>) => {
  const [pictures] = run.of("invert")[0]!.arguments as [PlacedImage | readonly PlacedImage[]];
  return [pictures].flat().map(({ placement }) => placement);
};

describe("--place and --eyes", () => {
  test("belong to the picture named before them", async () => {
    const run = await cli(
      "inject --content {}/a.png --place 20,21,16 --content {}/c.png --original {}/b.jpg --place 40,30.5,20,-15 --replace --out {}/o.png",
    );
    expect(run.stderr).not.toMatch(/b\.jpg is 80x60: the model sees its centre/);
    expect(run.code).toBe(0);
    expect(placements(run)).toEqual([
      { x: 40, y: 30.5, size: 20, degrees: -15 },
      { x: 20, y: 21, size: 16 },
      undefined,
    ]);
    expect(JSON.parse(readPngText(readFileSync(at("o.png")))[PARAMETERS]!)).toMatchObject({
      originalSquare: { x: 40, y: 30.5, size: 20, degrees: -15 },
      contentSquares: [{ x: 20, y: 21, size: 16 }, null],
    });
  });

  test("eyes become the square that FFHQ cuts", async () => {
    const run = await cli("reconstruct {}/b.jpg --eyes 35,25,45,25");
    const [square] = placements(run) as { size: number; x: number }[];
    expect([square!.size, square!.x]).toEqual([40, 40]);
  });

  test("a centre square is announced with the way out", async () => {
    const run = await cli("reconstruct {}/a.png");
    expect(run.stderr).toContain("its centre square of 40x40 (--place, --eyes or --align choose another)");
    expect(placements(run)).toEqual([undefined]);
  });

  test.each([
    [
      "--place 1,2,3 --original {}/a.png --content {}/c.png",
      2,
      /Name its picture first, as in --original photo.jpg --place/,
    ],
    ["--content {}/c.png --original {}/a.png --place 1,2", 2, /'1,2' is invalid. It must look like "310,220,180 or/],
    ["--content {}/c.png --original {}/a.png --place 1,2,0", 2, /size must be more than 0/],
    ["--content {}/c.png --original {}/a.png --eyes 4,4,4,4", 2, /The eyes must be at two places/],
    ["--content {}/c.png --original {}/a.png --place 1,2,3 --eyes 1,2,3,4", 2, /--eyes: a.png is placed twice/],
    [
      "--content {}/c.png --original {}/a.png --place 500,500,10",
      1,
      /--place placement: the square at 500,500 of size 10 is outside the 60x40/,
    ],
    ["--content {}/c.png --original {}/a.png --align nose", 2, /Allowed choices are face/],
    ["--content {}/c.png --original-inversion {}/a.png --paste", 2, /--paste: needs the photo itself/],
  ])("refuses %s", async (flags, code, message) => {
    const run = await cli(`inject ${flags} --replace --out {}/no.png`);
    expect([run.code, run.calls.length]).toEqual([code, 0]);
    expect(run.stderr).toMatch(message);
    expect(existsSync(at("no.png"))).toBe(false);
  });
});

test("a picture that is far from what the model knows is announced", async () => {
  const inverted = (value: (i: number) => number) => ({
    count: 1,
    info: { steps: 2, picture: { channels: 3, height: 16, width: 16 } },
    select: () => inverted(value),
    readXT: async () => Float32Array.from({ length: 3 * 256 }, (_, i) => value(i)),
    readImages: async () => new Float32Array(3 * 256),
    toPixels: async () => [{ data: new Uint8Array(1024), width: 16, height: 16 }],
    dispose() {},
  });
  const tinted = await cli("reconstruct {}/c.png", { invert: async () => inverted((i) => 1 + (i % 7)) });
  expect(tinted.stderr).toMatch(
    /c\.png is far from the pictures this model knows, so expect colour noise; place its subject/,
  );
  // Near enough to noise: three values as frequent as in it, in no order.
  const near = await cli("reconstruct {}/c.png", {
    invert: async () => inverted((i) => [0, -1.7, 0, 0, 1.7, 0][(i * 5) % 6]!),
  });
  expect([near.code, near.stderr.includes("far from")]).toEqual([0, false]);
});

test("--paste puts the result into the photo at the square, and nowhere else", async () => {
  const device = await testDevice();
  const { engine } = fakeEngine();
  const { context, written } = fakeContext({
    ...engine,
    // The command line closes what it opened; the tests' device stays.
    openDevice: async () =>
      new Proxy(device, {
        get(of, key) {
          const value: unknown = Reflect.get(of, key, of);
          if (key === "destroy" || key === "dispose") return () => {};
          return typeof value === "function" ? value.bind(of) : value;
        },
      }),
  });
  const line = `inject --content ${at("c.png")} --original ${at("a.png")} --place 30,20,20 --feather 0 --paste --replace --out ${at("p.png")}`;
  const code = await runCli(line.split(" "), context);
  expect([code, written.stdout], written.stderr).toEqual([0, `${at("p.png")}\n${at("p-photo.png")}\n`]);
  const { data, width, height } = await decodeImage(at("p-photo.png"));
  expect([width, height]).toEqual([60, 40]);
  const pixel = (x: number, y: number) => [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3)];
  expect([pixel(30, 20), pixel(20, 10), pixel(39, 29)]).toEqual([1, 2, 3].map(() => [120, 120, 120]));
  expect([pixel(19, 20), pixel(40, 20), pixel(30, 9)]).toEqual([1, 2, 3].map(() => [255, 0, 0]));
});

test("a placement is in pixels of the file, also where decoding reduces the picture", async () => {
  const file = await sharp({ create: { width: 6000, height: 4000, channels: 3, background: "#345" } })
    .jpeg()
    .toBuffer();
  const square = { x: 4500, y: 1000, size: 800, degrees: 5 };
  const placed = await placedPixels({ image: file, placement: square }, async () => decodeImage(file));
  expect("square" in placed && placed.pixels.width).toBeLessThan(5100);
  const scale = "square" in placed ? placed.pixels.width / 6000 : 0;
  expect("square" in placed && placed.square.x).toBeCloseTo(4500 * scale);
  const source = sourceOf(placed)!;
  expect([source.width, source.height]).toEqual([6000, 4000]);
  expect(source.square!.size).toBeCloseTo(800);
});
