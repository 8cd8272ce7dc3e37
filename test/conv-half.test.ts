import { expect, test } from "vitest";
import { tile } from "../src/kernels/conv/tile";
import { tileHalf } from "../src/kernels/conv/tile-half";
import { convVariants } from "../src/kernels/conv/tuner-variants";
import { convShape } from "../src/kernels/conv/variant";
import type { Target } from "../src/kernels/target";
import { type ConvCase, convData, convReference } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { expectClose } from "./support/close";
import { runDispatches, testDevice } from "./support/device";
import { roundedWeights } from "./support/rounded-weights";
import { software } from "./support/targets";

// The software adapter has no shader-f16. There the code runs with f32 in place of f16; where there is f16, it runs with f16 too.

const target: Target = { ...software, adapterClass: "gpu", weights: "f16", f16: true };
const f16 = (await testDevice()).has("shader-f16");

const cases: Record<string, ConvCase & { splits: number }> = {
  "3x3, odd plane, everything": {
    kernel: 3,
    n: 2,
    c1: 19,
    c2: 14,
    oc: 37,
    h: 7,
    w: 9,
    silu: true,
    skipN: 1,
    normN: 2,
    tembN: 1,
    residualN: 2,
    splits: 1,
  },
  "3x3, stride 2, in parts": { kernel: 3, n: 1, c1: 70, oc: 40, h: 12, w: 10, stride: 2, splits: 3 },
  "1x1": { kernel: 1, n: 2, c1: 48, oc: 70, h: 5, w: 5, silu: true, normN: 2, splits: 1 },
};

for (const [name, { splits, ...s }] of Object.entries(cases))
  for (const size of [32, 64] as const)
    for (const element of f16 ? (["f32", "f16"] as const) : (["f32"] as const))
      test(`${name}: ${size}x${size}, products in ${element}`, async () => {
        const variant = tileHalf({ tileM: size, tileN: size }, { splits, element });
        const data = convData(s);
        const { dispatches, inputs, y } = convRun(s, data, variant, target);
        expect(dispatches[0]!.shader).toBe("conv/tile_half");
        const [actual] = await runDispatches(dispatches, inputs, [y]);
        const atol = element === "f16" ? variant.tolerance("f16") : 5e-6;
        expectClose(actual!, convReference(s, roundedWeights(data)), y.shape, { rtol: 0, atol });
      });

test("only where shaders have f16, for weights in f16, on a GPU, and only tuned", () => {
  const shape = convShape({ kernel: 3, n: 1, c1: 32, oc: 64, h: 16, w: 16 });
  const { f16: _, ...without } = target;
  const variant = convVariants.find(({ name }) => name === "tile half 64x64")!;
  expect(variant.onlyTuned).toBe(true);
  expect(variant.runs(shape, target)).toBe(true);
  for (const other of [without, { ...target, weights: "f32" }, { ...target, adapterClass: "software" }] as Target[])
    expect(variant.runs(shape, other)).toBe(false);
  expect(variant.weight("w", shape, target)).toEqual(tile().weight("w", shape, target));
});
