import { expect, test } from "vitest";
import { fromHalf } from "../src/half";
import { packConv } from "../src/kernels/conv/conv";
import { direct } from "../src/kernels/conv/direct";
import { fromFew } from "../src/kernels/conv/from-few";
import { outputSize } from "../src/kernels/conv/output-size";
import { tile } from "../src/kernels/conv/tile";
import { toFew } from "../src/kernels/conv/to-few";
import { type ConvVariant, convShape } from "../src/kernels/conv/variant";
import { choose } from "../src/kernels/conv/variants";
import { winograd } from "../src/kernels/conv/winograd";
import type { Target } from "../src/kernels/target";
import { type ConvCase, convData, convReference } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { roundedWeights } from "./support/rounded-weights";
import { software } from "./support/targets";

const cases: Record<string, ConvCase> = {
  "one pixel": { kernel: 3, n: 1, c1: 3, oc: 5, h: 1, w: 1 },
  "odd plane, batch of two": { kernel: 3, n: 2, c1: 33, oc: 7, h: 5, w: 7 },
  "first convolution": { kernel: 3, n: 2, c1: 3, oc: 32, h: 12, w: 9 },
  "last convolution": { kernel: 3, n: 1, c1: 32, oc: 3, h: 16, w: 16, silu: true, normN: 1 },
  "square, 33 to 40 channels": { kernel: 3, n: 1, c1: 33, oc: 40, h: 16, w: 16 },
  "everything at once, rows of whole tiles": {
    kernel: 3,
    n: 2,
    c1: 20,
    c2: 12,
    oc: 28,
    h: 8,
    w: 16,
    silu: true,
    skipN: 1,
    normN: 2,
    tembN: 1,
    residualN: 1,
  },
  "everything at once": {
    kernel: 3,
    n: 4,
    c1: 24,
    c2: 12,
    oc: 36,
    h: 9,
    w: 10,
    silu: true,
    skipN: 2,
    normN: 4,
    tembN: 1,
    residualN: 2,
  },
  "everything at once, channels that pad": {
    kernel: 3,
    n: 2,
    c1: 17,
    c2: 16,
    oc: 33,
    h: 6,
    w: 11,
    silu: true,
    skipN: 1,
    normN: 1,
    tembN: 2,
    residualN: 1,
  },
  "enlarged first": { kernel: 3, n: 2, c1: 20, oc: 17, h: 5, w: 6, upsample: true },
  "enlarged, joined, activated": {
    kernel: 3,
    n: 2,
    c1: 16,
    c2: 16,
    oc: 16,
    h: 4,
    w: 4,
    upsample: true,
    silu: true,
    skipN: 1,
    normN: 2,
  },
  "from four channels, everything at once": {
    kernel: 3,
    n: 2,
    c1: 4,
    oc: 8,
    h: 9,
    w: 10,
    silu: true,
    normN: 2,
    tembN: 1,
    residualN: 2,
  },
  "to four channels, everything at once, enlarged": {
    kernel: 3,
    n: 2,
    c1: 5,
    c2: 4,
    oc: 4,
    h: 5,
    w: 6,
    upsample: true,
    silu: true,
    skipN: 1,
    normN: 2,
    tembN: 2,
    residualN: 1,
  },
  "stride 2, right and bottom padding": { kernel: 3, n: 2, c1: 18, oc: 20, h: 8, w: 10, stride: 2 },
  "stride 2, odd plane": { kernel: 3, n: 1, c1: 5, oc: 6, h: 9, w: 7, stride: 2 },
  "stride 2, padding all round": { kernel: 3, n: 2, c1: 6, oc: 9, h: 9, w: 8, stride: 2, pad: "same" },
};

const f16: Target = { ...software, weights: "f16" };
const gpu: Target = { ...software, adapterClass: "gpu" };
const plain: Target = { ...software, subgroups: false };
const gpuF16: Target = { ...gpu, weights: "f16" };
const plainF16: Target = { ...plain, weights: "f16" };

/** Variants that can do the case, each with a target, by name. */
function variantsFor(s: ConvCase): Map<string, readonly [ConvVariant, Target]> {
  const shape = convShape(s);
  const chosen = (target: Target) => [choose(shape, target), target] as const;
  const found = new Map<string, readonly [ConvVariant, Target]>();
  found.set("chosen", chosen(software));
  found.set("direct", [direct({ subgroups: true, tileM: 8, tileY: 3 }), software]);
  found.set("direct f16", [direct({ subgroups: true, tileM: 16, tileY: 2 }), f16]);
  found.set("chosen f16", chosen(f16));
  found.set("f16 without subgroups", chosen({ ...f16, subgroups: false }));
  found.set("tile", [tile({ tile: { tileM: 32, tileN: 32 }, splits: 1 }), software]);
  found.set("tile, sliced", [tile({ tile: { tileM: 32, tileN: 32, slices: 2 }, splits: 1 }), software]);
  found.set("tile f16, split", [tile({ tile: { tileM: 16, tileN: 64 }, splits: 2 }), f16]);
  found.set("tile of the size that suits", [tile(), software]);
  found.set("without subgroups", chosen(plain));
  found.set("direct without subgroups", [direct({ subgroups: false, tileM: 5, tileY: 2 }), plain]);
  for (const variant of [fromFew, toFew])
    for (const [suffix, target] of [
      ["", software],
      [" f16", f16],
    ] as const)
      if (variant.runs(shape, target)) found.set(variant.name + suffix, [variant, target]);
  const { stride } = shape;
  if (stride === 1) {
    found.set("F(4,3)", [winograd({ m: 4, stride, product: "quad" }), software]);
    found.set("F(4,3) in chunks", [
      winograd({ m: 4, stride, product: "quad", scratchBytes: 36 * 40 * 4 * 5 }),
      software,
    ]);
    found.set("F(2,3)", [winograd({ m: 2, stride, product: "quad" }), software]);
    found.set("F(2,3) without subgroups", [winograd({ m: 2, stride, product: "any" }), plain]);
    found.set("F(4,3) with a tile held", [winograd({ m: 4, stride, product: "stationary" }), software]);
    found.set("F(2,3) with a tile held, in chunks", [
      winograd({ m: 2, stride, product: "stationary", scratchBytes: 16 * 40 * 4 * 8 }),
      software,
    ]);
    found.set("F(4,3) for GPUs", [winograd({ m: 4, stride, product: "tile" }), gpu]);
    found.set("F(2,3) for GPUs, sliced", [
      winograd({ m: 2, stride, product: "tile", tile: { tileM: 32, tileN: 16, slices: 4 } }),
      gpu,
    ]);
    found.set("F(4,3) f16 for GPUs, in chunks", [
      winograd({ m: 4, stride, product: "tile", scratchBytes: 36 * 40 * 4 * 8 }),
      gpuF16,
    ]);
    found.set("F(2,3) f16 for GPUs", [
      winograd({ m: 2, stride, product: "tile", tile: { tileM: 64, tileN: 64 } }),
      gpuF16,
    ]);
    found.set("F(4,3) f16 without subgroups", [winograd({ m: 4, stride, product: "any" }), plainF16]);
    found.set("F(2,3) for GPUs, in chunks", [
      winograd({
        m: 2,
        stride,
        product: "tile",
        tile: { tileM: 64, tileN: 64 },
        scratchBytes: 16 * 40 * 4 * 8,
      }),
      gpu,
    ]);
  } else {
    found.set("F(2,3)", [winograd({ m: 2, stride, product: "quad", tiles: 4 }), software]);
    found.set("F(2,3) with a tile held", [winograd({ m: 2, stride, product: "stationary", tiles: 4 }), software]);
    found.set("F(2,3) without subgroups", [winograd({ m: 2, stride, product: "any", tiles: 2 }), plain]);
    found.set("F(2,3) for GPUs, in chunks", [
      winograd({ m: 2, stride, product: "tile", scratchBytes: 25 * 40 * 4 * 8 }),
      gpu,
    ]);
    found.set("F(2,3) f16 for GPUs", [winograd({ m: 2, stride, product: "tile" }), gpuF16]);
    found.set("F(2,3) f16 without subgroups", [winograd({ m: 2, stride, product: "any" }), plainF16]);
  }
  return found;
}

for (const [name, s] of Object.entries(cases))
  for (const [variantName, [variant, target]] of variantsFor(s))
    test(`conv3x3 ${name}: ${variantName}`, async () => {
      const data = convData(s);
      const { dispatches, inputs, y } = convRun(s, data, variant, target);
      const [actual] = await runDispatches(dispatches, inputs, [y]);
      const transformed = variant.name.startsWith("F(");
      const tolerance =
        transformed && target.weights === "f16"
          ? variant.tolerance("f16")
          : variant.name.startsWith("F(4,3)")
            ? 5e-5
            : 5e-6;
      const expected = convReference(s, target.weights === "f16" && !transformed ? roundedWeights(data) : data);
      expectClose(actual!, expected, [s.n, s.oc, outputSize(s.h, s), outputSize(s.w, s)], {
        rtol: 0,
        atol: tolerance,
      });
    });

/** How far weights rounded to f16 after their transform move outputs, over how far weights rounded before a direct convolution
 *  do: the roots of the mean squares. */
for (const [name, variant, most] of [
  ["F(4,3)", winograd({ m: 4, stride: 1, product: "tile" }), 6],
  ["F(2,3)", winograd({ m: 2, stride: 1, product: "tile" }), 2],
  ["F(2,3) stride 2", winograd({ m: 2, stride: 2, product: "tile" }), 2],
] as const)
  test(`transformed weights in f16 move outputs at most ${most} times as far as weights in f16 do: ${name}`, async () => {
    const s: ConvCase = {
      kernel: 3,
      n: 1,
      c1: 32,
      oc: 32,
      h: 16,
      w: 16,
      stride: name.endsWith("2") ? 2 : 1,
      pad: "same",
    };
    const data = convData(s);
    const exact = convReference(s, data);
    const off = (values: ArrayLike<number>) =>
      Math.sqrt(exact.reduce((sum, v, i) => sum + (values[i]! - v) ** 2, 0) / exact.length);
    const { dispatches, inputs, y } = convRun(s, data, variant, gpuF16);
    const [actual] = await runDispatches(dispatches, inputs, [y]);
    const ratio = off(actual!) / off(convReference(s, roundedWeights(data)));
    expect(ratio).toBeGreaterThan(1);
    expect(ratio).toBeLessThan(most);
  });

test("weights near the end of f16 stay finite once they are transformed", () => {
  for (const [m, stride] of [
    [4, 1],
    [2, 1],
    [2, 2],
  ] as const) {
    const variant = winograd({ m, stride, product: "tile" });
    const shape = convShape({ kernel: 3, n: 1, c1: 16, oc: 4, h: 8, w: 8, stride });
    for (const signs of [() => 1, (i: number) => (i % 2 === 0 ? 1 : -1)]) {
      const w = Float32Array.from({ length: 4 * 16 * 9 }, (_, i) => 65504 * signs(i % 9));
      const halves = fromHalf(new Uint16Array(packConv(w, variant, shape, gpuF16).buffer));
      expect(halves.every(Number.isFinite), variant.name).toBe(true);
    }
  }
});

test("a weight of the wrong shape is refused with both shapes", () => {
  const s = cases["one pixel"]!;
  const variant = direct({ subgroups: true });
  expect(() => convRun({ ...s, oc: 20 }, convData(s), variant, software)).toThrow(/weights/);
});

// 9 tiles of F(4,3), of 36 of F(2,3): neither fills the columns that a tile of the product holds. Those of 4x4 and 4x2 pixels
// leave lanes without work.
for (const [variant, c1, oc] of [
  [winograd({ m: 2, stride: 1, product: "stationary" }), 40, 24],
  [winograd({ m: 4, stride: 1, product: "stationary" }), 40, 24],
  [fromFew, 3, 24],
  [toFew, 40, 3],
] as const)
  test(`a sample is the same to the bit in any batch: ${variant.name}`, async () => {
    const of = (n: number) => ({ kernel: 3, n, c1, oc, h: 12, w: 12 }) as const;
    const data = convData(of(3));
    const run = async (n: number, x: Float32Array<ArrayBuffer>) => {
      const { dispatches, inputs, y } = convRun(of(n), { ...data, x }, variant, software);
      const [values] = await runDispatches(dispatches, inputs, [y]);
      return values!;
    };
    const x = Float32Array.from(data.x);
    const alone = await run(1, x.slice((2 * x.length) / 3));
    expect((await run(3, x)).slice(2 * alone.length)).toEqual(alone);
  });
