import { expect, test } from "vitest";
import { direct } from "../src/kernels/conv/direct";
import { stationary } from "../src/kernels/conv/stationary";
import { tile } from "../src/kernels/conv/tile";
import { type ConvVariant, convShape } from "../src/kernels/conv/variant";
import { choose } from "../src/kernels/conv/variants";
import type { Target } from "../src/kernels/target";
import { type ConvCase, convData, convReference } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { roundedWeights } from "./support/rounded-weights";
import { software } from "./support/targets";

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
};

const f16: Target = { ...software, weights: "f16" };

for (const [name, s] of Object.entries(cases)) {
  const chosen = (target: Target) => [choose(convShape(s), target), target] as const;
  const variants: Record<string, readonly [ConvVariant, Target]> = {
    chosen: chosen(software),
    f16: chosen(f16),
    "tile, split": [tile({ tile: { tileM: 64, tileN: 64 }, splits: 2 }), software],
    gpu: chosen({ ...software, adapterClass: "gpu" }),
    "gpu, f16": chosen({ ...f16, adapterClass: "gpu" }),
    "without subgroups": chosen({ ...software, subgroups: false }),
    "f16 without subgroups": chosen({ ...f16, subgroups: false }),
    direct: [direct({ subgroups: true, tileM: 8, tileY: 3 }), software],
    "direct, f16": [direct({ subgroups: true, tileM: 16, tileY: 2 }), f16],
  };
  if ((s.h * s.w) % 8 === 0) {
    variants.held = [stationary, software];
    variants["held, f16"] = [stationary, f16];
  }
  for (const [variantName, [variant, target]] of Object.entries(variants))
    test(`conv1x1 ${name}: ${variantName}`, async () => {
      const data = convData(s);
      const { dispatches, inputs, y } = convRun(s, data, variant, target);
      const [actual] = await runDispatches(dispatches, inputs, [y]);
      const expected = convReference(s, target.weights === "f16" ? roundedWeights(data) : data);
      expectClose(actual!, expected, y.shape, { rtol: 0, atol: 3e-6 });
    });
}

test("tensors that do not fit are refused by name and shape", () => {
  const s = cases["one pixel"]!;
  const variant = choose(convShape(s), software);
  expect(() => convRun({ ...s, residualN: 2 }, convData({ ...s, residualN: 2 }), variant, software)).toThrow(
    /residual.*2 samples/,
  );
});
