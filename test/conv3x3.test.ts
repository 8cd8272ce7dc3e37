import { expect, test } from "vitest";
import { chooseConv3x3 } from "../src/kernels/conv/conv3x3";
import { outputSize } from "../src/kernels/conv/output-size";
import type { ConvVariant, Target } from "../src/kernels/conv/variants";
import { type ConvCase, convData, convReference } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { roundedWeights } from "./support/rounded-weights";

const software: Target = {
  adapterClass: "software",
  subgroups: true,
  precision: "fast",
  weights: "f32",
  maxBindingBytes: 2 ** 27,
};

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
  "stride 2, right and bottom padding": { kernel: 3, n: 2, c1: 18, oc: 20, h: 8, w: 10, stride: 2 },
  "stride 2, odd plane": { kernel: 3, n: 1, c1: 5, oc: 6, h: 9, w: 7, stride: 2 },
  "stride 2, padding all round": { kernel: 3, n: 2, c1: 6, oc: 9, h: 9, w: 8, stride: 2, pad: "same" },
}; // prettier-ignore

const shapeOf = (s: ConvCase) => ({
  n: s.n,
  c1: s.c1,
  c2: s.c2 ?? 0,
  oc: s.oc,
  h: s.h,
  w: s.w,
  stride: s.stride ?? (1 as const),
  upsample: !!s.upsample,
});

/** Variants that can do the case, by name. */
function variantsFor(s: ConvCase): Map<string, ConvVariant> {
  const found = new Map<string, ConvVariant>();
  found.set("chosen", chooseConv3x3(shapeOf(s), software));
  found.set("direct", { kind: "direct", weights: "f32", subgroups: true, tileM: 8, tileY: 3 });
  found.set("direct f16", { kind: "direct", weights: "f16", subgroups: true, tileM: 16, tileY: 2 });
  found.set("chosen f16", chooseConv3x3(shapeOf(s), { ...software, weights: "f16" }));
  found.set("f16 without subgroups", chooseConv3x3(shapeOf(s), { ...software, weights: "f16", subgroups: false }));
  found.set("tile", { kind: "tile", weights: "f32", tile: { tileM: 32, tileN: 32 }, splits: 1 });
  found.set("tile, sliced", { kind: "tile", weights: "f32", tile: { tileM: 32, tileN: 32, slices: 2 }, splits: 1 });
  found.set("tile f16, split", { kind: "tile", weights: "f16", tile: { tileM: 16, tileN: 64 }, splits: 2 });
  found.set("tile of the size that suits", { kind: "tile", weights: "f32" });
  found.set("without subgroups", chooseConv3x3(shapeOf(s), { ...software, subgroups: false }));
  found.set("direct without subgroups", { kind: "direct", weights: "f32", subgroups: false, tileM: 5, tileY: 2 });
  if (!s.stride || s.stride === 1) {
    const base = { kind: "winograd", product: "quad", tiles: 4, scratchBytes: 2 ** 25 } as const;
    found.set("F(4,3)", { ...base, m: 4, weights: "f32" });
    found.set("F(4,3) in chunks", { ...base, m: 4, weights: "f32", scratchBytes: 36 * 40 * 4 * 5 });
    found.set("F(2,3)", { ...base, m: 2, weights: "f32" });
    found.set("F(2,3) without subgroups", { ...base, m: 2, weights: "f32", product: "any" });
    const held = { ...base, product: "stationary", weights: "f32" } as const;
    found.set("F(4,3) with a tile held", { ...held, m: 4 });
    found.set("F(2,3) with a tile held, in chunks", { ...held, m: 2, scratchBytes: 16 * 40 * 4 * 8 });
    const tile = { kind: "winograd", product: "tile", tiles: 1, weights: "f32", scratchBytes: 2 ** 25 } as const;
    found.set("F(4,3) for GPUs", { ...tile, m: 4 });
    found.set("F(2,3) for GPUs, sliced", { ...tile, m: 2, tile: { tileM: 32, tileN: 16, slices: 4 } });
    found.set("F(2,3) for GPUs, in chunks", {
      ...tile,
      m: 2,
      tile: { tileM: 64, tileN: 64 },
      scratchBytes: 16 * 40 * 4 * 8,
    });
  } else {
    const base = { kind: "winograd", m: 2, stride: 2, weights: "f32", scratchBytes: 2 ** 25 } as const;
    found.set("F(2,3)", { ...base, product: "quad", tiles: 4 });
    found.set("F(2,3) with a tile held", { ...base, product: "stationary", tiles: 4 });
    found.set("F(2,3) without subgroups", { ...base, product: "any", tiles: 2 });
    found.set("F(2,3) for GPUs, in chunks", { ...base, product: "tile", tiles: 1, scratchBytes: 25 * 40 * 4 * 8 });
  }
  return found;
}

for (const [name, s] of Object.entries(cases))
  for (const [variantName, variant] of variantsFor(s))
    test(`conv3x3 ${name}: ${variantName}`, async () => {
      const data = convData(s);
      const { dispatches, inputs, y } = convRun(s, data, variant);
      const [actual] = await runDispatches(dispatches, inputs, [y]);
      const tolerance = variant.kind !== "winograd" || variant.m === 2 ? 5e-6 : 5e-5;
      const expected = convReference(s, variant.weights === "f16" ? roundedWeights(data) : data);
      expectClose(actual!, expected, [s.n, s.oc, outputSize(s.h, s), outputSize(s.w, s)], {
        rtol: 0,
        atol: tolerance,
      });
    });

test("a weight of the wrong shape is refused with both shapes", () => {
  const s = cases["one pixel"]!;
  const variant: ConvVariant = { kind: "direct", weights: "f32", subgroups: true, tileM: 8, tileY: 1 };
  expect(() => convRun({ ...s, oc: 20 }, convData(s), variant)).toThrow(/weights/);
});

// 9 tiles of F(4,3), of 36 of F(2,3): neither fills the columns that a tile of the product holds.
for (const m of [2, 4] as const)
  test(`a sample is the same to the bit in any batch: F(${m},3)`, async () => {
    const variant = {
      kind: "winograd",
      product: "stationary",
      m,
      tiles: 4,
      weights: "f32",
      scratchBytes: 2 ** 25,
    } as const;
    const of = (n: number) => ({ kernel: 3, n, c1: 40, oc: 24, h: 12, w: 12 }) as const;
    const data = convData(of(3));
    const run = async (n: number, x: Float32Array<ArrayBuffer>) => {
      const { dispatches, inputs, y } = convRun(of(n), { ...data, x }, variant);
      const [values] = await runDispatches(dispatches, inputs, [y]);
      return values!;
    };
    const x = Float32Array.from(data.x);
    const alone = await run(1, x.slice((2 * x.length) / 3));
    expect((await run(3, x)).slice(2 * alone.length)).toEqual(alone);
  });
