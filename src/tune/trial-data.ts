import type { ConvUse } from "../kernels/conv/variant";
import { seeded } from "../random";
import type { ConvCase, ConvData } from "../reference/conv";

/** A use of one sample, as a case that can be run and computed in f64. */
export function caseOf({ shape, pad, norm, silu }: ConvUse): ConvCase {
  return { ...shape, n: 1, pad, silu, skipN: 1, ...(norm && { normN: 1 }) };
}

/** Seeded inputs that make outputs near 1. Weights are multiples of a quarter of a power of two, which f16 holds exactly. */
export function trialData({ shape, norm }: ConvUse): ConvData {
  const { kernel, c1, c2, oc, h, w } = shape;
  const depth = (c1 + c2) * kernel ** 2;
  const unit = 2 ** Math.round(Math.log2(depth ** -0.5));
  return {
    x: seeded(1, [1, c1, h, w]),
    skip: c2 > 0 ? seeded(2, [1, c2, h, w]) : undefined,
    weight: seeded(3, [oc, c1 + c2, kernel, kernel]).map((v) => (Math.round(8 * v) / 4) * unit),
    bias: seeded(4, [oc]),
    // (mean, scale, shift, 0) of every channel
    norm: norm ? seeded(5, [1, c1 + c2, 4]).map((v, i) => [0.3 * v, 1 + 0.3 * v, 0.3 * v, 0][i % 4]!) : undefined,
  };
}
