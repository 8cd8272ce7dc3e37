import { expect, test } from "vitest";
import { chooseConv1x1 } from "../src/kernels/conv/conv1x1";
import type { Conv1x1Variant, Target } from "../src/kernels/conv/variants";
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
  "one pixel": { kernel: 1, n: 1, c1: 1, oc: 1, h: 1, w: 1 },
  "odd plane, batch of two": { kernel: 1, n: 2, c1: 33, oc: 7, h: 5, w: 7 },
  "shortcut of a join": { kernel: 1, n: 4, c1: 32, c2: 16, oc: 36, h: 6, w: 6, skipN: 2 },
  "join at an odd channel": { kernel: 1, n: 2, c1: 5, c2: 6, oc: 12, h: 3, w: 9, skipN: 1 },
  "qkv after a norm": { kernel: 1, n: 2, c1: 20, oc: 60, h: 8, w: 8, normN: 2 },
  "projection with residual": { kernel: 1, n: 2, c1: 64, oc: 64, h: 8, w: 8, residualN: 2 },
  "two passes, a join and a residual": {
    kernel: 1,
    n: 2,
    c1: 90,
    c2: 30,
    oc: 150,
    h: 4,
    w: 6,
    skipN: 1,
    normN: 2,
    tembN: 1,
    residualN: 1,
  },
  "everything at once": {
    kernel: 1,
    n: 4,
    c1: 18,
    c2: 12,
    oc: 9,
    h: 4,
    w: 5,
    silu: true,
    skipN: 2,
    normN: 1,
    tembN: 4,
    residualN: 1,
  },
  "everything at once, in fours": {
    kernel: 1,
    n: 4,
    c1: 16,
    c2: 24,
    oc: 35,
    h: 4,
    w: 5,
    silu: true,
    skipN: 2,
    normN: 1,
    tembN: 4,
    residualN: 1,
  },
}; // prettier-ignore

for (const [name, s] of Object.entries(cases)) {
  const shape = { ...s, c2: s.c2 ?? 0, stride: 1, upsample: false } as const;
  const variants: Record<string, Conv1x1Variant> = {
    chosen: chooseConv1x1(shape, software),
    f16: chooseConv1x1(shape, { ...software, weights: "f16" }),
    "tile, split": { kind: "tile", weights: "f32", tile: { tileM: 64, tileN: 64 }, splits: 2 },
    gpu: chooseConv1x1(shape, { ...software, adapterClass: "gpu" }),
    "gpu, f16": chooseConv1x1(shape, { ...software, adapterClass: "gpu", weights: "f16" }),
    "without subgroups": chooseConv1x1(shape, { ...software, subgroups: false }),
    "f16 without subgroups": chooseConv1x1(shape, { ...software, subgroups: false, weights: "f16" }),
  };
  if ((s.h * s.w) % 8 === 0) {
    variants.held = { kind: "stationary", weights: "f32" };
    variants["held, f16"] = { kind: "stationary", weights: "f16" };
    if (!s.c2 || s.c1 % 4 === 0) variants.quad = { kind: "quad", weights: "f32", tileM: 8 };
  }
  for (const [variantName, variant] of Object.entries(variants))
    test(`conv1x1 ${name}: ${variantName}`, async () => {
      const data = convData(s);
      const { dispatches, inputs, y } = convRun(s, data, variant);
      const [actual] = await runDispatches(dispatches, inputs, [y]);
      const expected = convReference(s, variant.weights === "f16" ? roundedWeights(data) : data);
      expectClose(actual!, expected, y.shape, { rtol: 0, atol: 3e-6 });
    });
}

test("tensors that do not fit are refused by name and shape", () => {
  const s = cases["one pixel"]!;
  const variant = chooseConv1x1({ ...s, c2: 0, stride: 1, upsample: false }, software);
  expect(() => convRun({ ...s, residualN: 2 }, convData({ ...s, residualN: 2 }), variant)).toThrow(
    /residual.*2 samples/,
  );
});
