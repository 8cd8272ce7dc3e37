import { expect, test } from "vitest";
import { f32, type Tensor, u32 } from "../src/kernels/dispatch";
import { ALL_FINITE, nonFinite } from "../src/kernels/pointwise/non-finite";
import { PLACEMENT_FLOATS, type Placement, placementData, resample } from "../src/kernels/pointwise/resample";
import { toRgba8 } from "../src/kernels/pointwise/to-rgba8";
import * as reference from "../src/reference";
import { expectClose, seeded } from "./support/close";
import { type Data, runDispatches } from "./support/device";
import { stepRows } from "./support/rows";

/** Column-major mat3 of x' = a x + c y + e, y' = b x + d y + f. */
const affine = (a: number, b: number, c: number, d: number, e: number, f: number) => [
  a,
  b,
  0,
  0,
  c,
  d,
  0,
  0,
  e,
  f,
  1,
  0,
];

const bytes = (seed: number, count: number) => Array.from(seeded(seed, [count]), (v) => Math.floor(128 * (v + 1)));

/** Noise with an alpha that must not matter. */
function picture(width: number, height: number) {
  const channels = [1, 2, 3].map((seed) => bytes(seed, width * height));
  const alpha = bytes(4, width * height);
  const packed = Uint32Array.from({ length: width * height }, (_, i) => {
    const [r, g, b] = channels.map((c) => c[i]!) as [number, number, number];
    return (r | (g << 8) | (b << 16) | (alpha[i]! << 24)) >>> 0;
  });
  return { channels, packed };
}

async function resampled(
  width: number,
  height: number,
  y: Tensor,
  where: Omit<Placement, "width" | "height">,
  slot = 0,
) {
  const { packed } = picture(width, height);
  const [image, placement] = [u32("image", height, width), f32("placement", PLACEMENT_FLOATS)];
  const inputs = new Map<Tensor, Data>([
    [image, packed],
    [placement, placementData({ ...where, width, height })],
  ]);
  const [got] = await runDispatches(resample({ image, placement, y }, { slot }), inputs, [y]);
  return got!;
}

for (const { from, window, to } of [
  { from: [61, 47], window: [7, 0, 54, 47], to: [32, 32] }, // shrinks
  { from: [20, 29], window: [0, 4, 20, 24], to: [33, 33] }, // grows
  { from: [50, 12], window: [0, 0, 50, 12], to: [9, 21] }, // one of each
  { from: [8, 8], window: [0, 0, 8, 8], to: [8, 8] }, // stays
] as const)
  test(`resample ${window} of ${from} to ${to} is PIL's resize within a level`, async () => {
    const [[width, height], [w, h]] = [from, to];
    const [left, top, right, bottom] = window;
    const matrix = affine((right - left) / w, 0, 0, (bottom - top) / h, left, top);
    const y = f32("y", 2, 3, h, w);
    const got = await resampled(width, height, y, { matrix, window }, 1);
    const expected = picture(width, height).channels.flatMap((c) =>
      Array.from(reference.resize(c, width, window, w, h), (v) => v / 127.5 - 1),
    );
    expect(got.subarray(0, 3 * w * h).every(Number.isNaN)).toBe(true); // sample 0 is untouched
    expectClose(got.subarray(3 * w * h), expected, [3, h, w], { rtol: 0, atol: 2 / 255 + 1e-6 });
  });

test("resample turns by 90 degrees without loss", async () => {
  const y = f32("y", 1, 3, 5, 4);
  // output (j, i) of 4 x 5 shows source (i, 3 - j) of 5 x 4
  const got = await resampled(5, 4, y, { matrix: affine(0, -1, 1, 0, 0, 4) });
  const expected = picture(5, 4).channels.flatMap((c) =>
    Array.from({ length: 20 }, (_, at) => c[(3 - (at % 4)) * 5 + Math.floor(at / 4)]! / 127.5 - 1),
  );
  expectClose(got, expected, y.shape, { rtol: 0, atol: 1e-6 });
});

test("resample outside the picture gives its nearest pixel", async () => {
  const y = f32("y", 1, 3, 3, 3);
  const got = await resampled(4, 4, y, { matrix: affine(1, 0, 0, 1, -100, 50) });
  const expected = picture(4, 4).channels.flatMap((c) => new Array<number>(9).fill(c[12]! / 127.5 - 1));
  expectClose(got, expected, y.shape, { rtol: 0, atol: 1e-6 });
});

test("resample by 30 degrees keeps a flat picture flat, and mirrors by a negative scale", async () => {
  const [cos, sin] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
  const [image, placement, y] = [u32("image", 9, 9), f32("placement", PLACEMENT_FLOATS), f32("y", 1, 3, 16, 16)];
  const matrix = affine(cos, sin, -sin, cos, 2, -3);
  const inputs = new Map<Tensor, Data>([
    [image, new Uint32Array(81).fill(0x00c08040)],
    [placement, placementData({ matrix, width: 9, height: 9 })],
  ]);
  const [flat] = await runDispatches(resample({ image, placement, y }), inputs, [y]);
  const colours = [0x40, 0x80, 0xc0].flatMap((v) => new Array<number>(256).fill(v / 127.5 - 1));
  expectClose(flat!, colours, y.shape, { rtol: 0, atol: 1e-6 });

  const mirror = f32("y", 1, 3, 4, 6);
  const got = await resampled(6, 4, mirror, { matrix: affine(-1, 0, 0, 1, 6, 0) });
  const expected = picture(6, 4).channels.flatMap((c) =>
    Array.from({ length: 24 }, (_, at) => c[Math.floor(at / 6) * 6 + 5 - (at % 6)]! / 127.5 - 1),
  );
  expectClose(got, expected, mirror.shape, { rtol: 0, atol: 1e-6 });
});

test("resample to a mask gives the luminance", async () => {
  const y = f32("y", 1, 8, 8);
  const got = await resampled(20, 12, y, { matrix: affine(20 / 8, 0, 0, 12 / 8, 0, 0) });
  const [r, g, b] = picture(20, 12).channels.map((c) =>
    reference.resize(c, 20, [0, 0, 20, 12], 8, 8),
  ) as Float64Array[];
  const expected = r!.map((v, i) => (0.299 * v + 0.587 * g![i]! + 0.114 * b![i]!) / 255);
  expectClose(got, expected, y.shape, { rtol: 0, atol: 1e-5 });
});

test("toRgba8 clamps, rounds halves up and turns NaN to 0", async () => {
  const values = [-1, 1, -2, 7, 0, Number.NaN, Infinity, -Infinity, 1 / 255, -1 / 255, 0.5, -0.999];
  const [x, y] = [f32("x", 2, 3, 1, 6), u32("y", 2, 1, 6)];
  const data = Float32Array.from({ length: 36 }, (_, i) => values[(i * 5) % 12]!);
  const [got] = await runDispatches(toRgba8({ x, y }), new Map([[x, data]]), [y]);
  const byte = (v: number) => (Number.isNaN(v) ? 0 : Math.min(255, Math.max(0, Math.floor(((v + 1) / 2) * 255 + 0.5))));
  const expected = Array.from({ length: 12 }, (_, i) => {
    const at = Math.floor(i / 6) * 18 + (i % 6);
    return [data[at]!, data[at + 6]!, data[at + 12]!].map(byte).concat(255);
  });
  expect([...new Uint8Array(got!.buffer)]).toEqual(expected.flat());
});

for (const bad of [Number.NaN, Infinity, -Infinity])
  test(`nonFinite finds one ${bad} and remembers the first draw`, async () => {
    const [x, flag] = [f32("x", 2, 3, 33, 7), u32("flag", 1)];
    const { steps, data } = stepRows({ DRAW: 17 }, { DRAW: 17 });
    const run = async (values: Float32Array<ArrayBuffer>, before: number) => {
      const inputs = new Map<Tensor, Data>([
        [steps, data],
        [x, values],
        [flag, Uint32Array.of(before)],
      ]);
      const [got] = await runDispatches(nonFinite({ x, steps, flag }), inputs, [flag]);
      return new Uint32Array(got!.buffer)[0];
    };
    const good = seeded(1, x.shape);
    good[3] = 3.4e38;
    good[4] = 1e-42;
    expect(await run(good, ALL_FINITE)).toBe(ALL_FINITE);
    for (const at of [0, 700, good.length - 1]) {
      const broken = good.slice();
      broken[at] = bad;
      expect(await run(broken, ALL_FINITE)).toBe(17);
      expect(await run(broken, 3)).toBe(3);
    }
  });
