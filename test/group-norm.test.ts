import { expect, test } from "vitest";
import { f32 } from "../src/kernels/dispatch";
import type { GroupNormVariant } from "../src/kernels/norm/group-norm";
import { groupNorm } from "../src/kernels/norm/group-norm";
import * as reference from "../src/reference";
import { expectClose, seeded } from "./support/close";
import { runDispatches } from "./support/device";

const variants = (plane: number): readonly GroupNormVariant[] => [
  "partials",
  ...(plane % 16 === 0 ? (["quad"] as const) : []),
  ...(plane % 4 === 0 ? (["group"] as const) : []),
];

const scaled = (data: Float32Array<ArrayBuffer>, mean: number, std: number) =>
  data.map((v) => mean + std * Math.sqrt(3) * v); // uniform in [-1, 1) has std 1 / sqrt 3

for (const { shape, groups, silu = false, mean = 0, std = 1 } of [
  { shape: [1, 512, 8, 8], groups: 32, silu: true }, // bottleneck
  { shape: [2, 12, 5, 7], groups: 3 }, // odd plane, batch of two
  { shape: [3, 4, 1, 1], groups: 2 },
  { shape: [1, 32, 64, 64], groups: 32, silu: true }, // many lanes a channel
  { shape: [2, 32, 16, 16], groups: 32, mean: 1000, std: 0.1 },
  { shape: [2, 6, 9, 15], groups: 1, mean: 1000, std: 0.1, silu: true },
  { shape: [1, 6, 4, 4], groups: 3, mean: 3, std: 0 }, // constant: beta comes out
] as const) {
  test(`groupNorm [${shape}], ${groups} groups, silu ${silu}, mean ${mean}, std ${std}`, async () => {
    const [n, c] = shape;
    const [x, gamma, beta] = [f32("x", ...shape), f32("gamma", c), f32("beta", c)];
    const [norm, y] = [f32("norm", n, c, 4), f32("y", ...shape)];
    const data = new Map([
      [x, scaled(seeded(1, shape), mean, std)],
      [gamma, seeded(2, [c])],
      [beta, seeded(3, [c])],
    ]);
    const options = { groups, eps: 1e-6, silu };
    const expected = reference.groupNorm(data.get(x)!, data.get(gamma)!, data.get(beta)!, shape, options);
    for (const variant of variants(shape[2] * shape[3])) {
      const dispatches = groupNorm({ x, gamma, beta, norm, y }, { ...options, variant });
      const [got] = await runDispatches(dispatches, data, [y]);
      expectClose(got!, expected, shape, { rtol: 1e-5, atol: 5e-6 });
    }
  });
}

for (const { x: xShape, skip: skipShape, groups, film } of [
  { x: [2, 8, 4, 4], skip: [1, 4, 4, 4], groups: 3, film: false }, // four a group: the seam falls between two
  { x: [4, 10, 3, 5], skip: [2, 5, 3, 5], groups: 3, film: true }, // it falls inside one; skip is shared
  { x: [2, 24, 8, 8], skip: [2, 24, 8, 8], groups: 32 - 16, film: true },
  { x: [2, 20, 8, 8], skip: [1, 28, 8, 8], groups: 16, film: true }, // inside one, planes of whole blocks
  { x: [2, 32, 4, 4], skip: [1, 32, 4, 4], groups: 32, film: false }, // groups within x, shorter than a quad of lanes
  { x: [2, 8, 4, 4], skip: [2, 24, 4, 4], groups: 16, film: false },
] as const) {
  test(`groupNorm of [${xShape}] and [${skipShape}], ${groups} groups, film ${film}`, async () => {
    const [n, c1, h, w] = xShape;
    const shape = [n, c1 + skipShape[1], h, w] as const;
    const c = shape[1];
    const [x, skip, gamma, beta] = [f32("x", ...xShape), f32("skip", ...skipShape), f32("gamma", c), f32("beta", c)];
    const temb = f32("temb", n / 2, 3 + 2 * c); // shared by two samples, the scale begins at column 3
    const [norm, y] = [f32("norm", n, c, 4), f32("y", ...shape)];
    const data = new Map([
      [x, seeded(1, xShape)],
      [skip, scaled(seeded(2, skipShape), 2, 3)],
      [gamma, seeded(3, [c])],
      [beta, seeded(4, [c])],
      [temb, seeded(5, temb.shape)],
    ]);
    const options = { groups, eps: 1e-5, silu: true };
    const io = { x, skip, gamma, beta, ...(film && { film: { tensor: temb, offset: 3 } }), norm, y };
    const both = reference.concat(data.get(x)!, data.get(skip)!, n, skipShape[0]);
    const expected = reference.groupNorm(both, data.get(gamma)!, data.get(beta)!, shape, {
      ...options,
      ...(film && { film: { data: data.get(temb)!, samples: n / 2, offset: 3 } }),
    });
    for (const variant of variants(h * w)) {
      const [got, factors] = await runDispatches(groupNorm(io, { ...options, variant }), data, [y, norm]);
      expectClose(got!, expected, shape, { rtol: 1e-5, atol: 5e-6 });
      // norm alone says the same: consumers apply it themselves
      const applied = both.map((v, i) => {
        const at = 4 * Math.floor(i / (h * w));
        return reference.silu((v - factors![at]!) * factors![at + 1]! + factors![at + 2]!);
      });
      expectClose(applied, expected, shape, { rtol: 1e-5, atol: 5e-6 });
    }
  });
}

test("groupNorm refuses what does not fit", () => {
  const io = {
    x: f32("x", 1, 6, 2, 2),
    gamma: f32("gamma", 6),
    beta: f32("beta", 6),
    norm: f32("block.norm1", 1, 6, 4),
  };
  expect(() => groupNorm(io, { groups: 4, eps: 1e-6 })).toThrow("block.norm1: 6 channels do not divide into 4 groups");
  const skip = f32("skip", 1, 2, 2, 3);
  expect(() => groupNorm(io, { groups: 3, eps: 1e-6, variant: "quad" })).toThrow(
    "block.norm1: planes of 4 elements, expected a multiple of 16",
  );
  expect(() => groupNorm({ ...io, skip }, { groups: 1, eps: 1e-6 })).toThrow("skip: planes of 2x3, x has 2x2");
});
