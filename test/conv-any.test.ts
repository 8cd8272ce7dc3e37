import { expect, test } from "vitest";
import { anyConv, anyConvSize, anyConvWeight, packAnyConv } from "../src/kernels/conv/any";
import { finished } from "../src/kernels/conv/packing";
import { f32 } from "../src/kernels/dispatch";
import { spaceToDepth } from "../src/kernels/pointwise/space-to-depth";
import { anyConvReference } from "../src/reference/conv";
import * as reference from "../src/reference/pointwise";
import { expectClose, seeded } from "./support/close";
import { runDispatches } from "./support/device";

for (const s of [
  { n: 2, c: 3, oc: 20, h: 9, w: 7, kernel: 7, stride: 1, pad: 3 },
  { n: 1, c: 6, oc: 16, h: 2, w: 3, kernel: 7, stride: 1, pad: 3 }, // smaller than the kernel
  { n: 2, c: 5, oc: 9, h: 8, w: 6, kernel: 4, stride: 2, pad: 1 },
  { n: 1, c: 2, oc: 1, h: 5, w: 5, kernel: 2, stride: 2, pad: 0 },
])
  test(`any convolution ${JSON.stringify(s)}`, async () => {
    const { n, c, oc, h, w, kernel } = s;
    const [x, bias] = [f32("x", n, c, h, w), f32("bias", oc)];
    const weight = anyConvWeight("weight", oc, c, s);
    const y = f32("y", n, oc, anyConvSize(h, s), anyConvSize(w, s));
    const weights = seeded(2, [oc, c, kernel, kernel]);
    const data = new Map<typeof x, Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>([
      [x, seeded(1, x.shape)],
      [weight, finished(packAnyConv(weights, oc, c, kernel))],
      [bias, seeded(3, bias.shape)],
    ]);
    const [found] = await runDispatches(anyConv({ x, weight, bias, y }, s), data, [y]);
    const expected = anyConvReference(seeded(1, x.shape), weights, seeded(3, bias.shape), s);
    expectClose(found!, expected, y.shape, { rtol: 0, atol: 1e-5 });
  });

test("any convolution refuses what does not fit", () => {
  const io = {
    x: f32("x", 1, 3, 8, 8),
    weight: f32("weight", 3, 7, 7, 16),
    bias: f32("bias", 4),
    y: f32("y", 1, 4, 7, 8),
  };
  expect(() => anyConv(io, { kernel: 7, stride: 1, pad: 3 })).toThrow("y: shape [1,4,7,8], expected [1,4,8,8]");
  expect(() => finished(packAnyConv(new Float32Array(5), 4, 3, 7))).toThrow("5 weights, expected 4 x 3 x 7 x 7");
});

test.each([
  [1, 1, 2, 2],
  [2, 3, 6, 10],
  [1, 5, 4, 2],
] as const)("space to depth of [%i, %i, %i, %i]", async (n, c, h, w) => {
  const [x, y] = [f32("x", n, c, h, w), f32("y", n, 4 * c, h / 2, w / 2)];
  const [found] = await runDispatches(spaceToDepth({ x, y }), new Map([[x, seeded(1, x.shape)]]), [y]);
  expectClose(found!, reference.spaceToDepth(seeded(1, x.shape), [n, c, h, w]), y.shape, { rtol: 0, atol: 0 });
});

test("space to depth refuses odd sides", () => {
  expect(() => spaceToDepth({ x: f32("x", 1, 2, 4, 5), y: f32("y", 1, 8, 2, 2) })).toThrow("planes of 4x5");
});
