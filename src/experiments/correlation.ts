import { UserError } from "../errors";
import { slerpWeights } from "../inject/slerp";
import { MIX, type MixRule } from "../kernels/step/step-row";
import { norm, pearson } from "../metrics/statistics";

/** h~ of two whole vectors under a mixing rule; what shaders/mix*.wgsl compute, in f64. */
export function mixVectors(
  rule: MixRule,
  h: ArrayLike<number>,
  content: ArrayLike<number>,
  gamma: number,
): Float64Array {
  const [nh, nc] = [norm(h), norm(content)];
  let dot = 0;
  for (let i = 0; i < h.length; i++) dot += h[i]! * content[i]!;
  const arc = slerpWeights(nh > 0 && nc > 0 ? dot / (nh * nc) : 1, gamma);
  const weights: Record<MixRule, readonly [number, number]> = {
    slerp: [arc[0], nc > 0 ? (arc[1] * nh) / nc : 0],
    slerpRaw: arc,
    lerp: [1 - gamma, gamma],
    add: [1, gamma],
    replace: [0, 1],
  };
  const [a, b] = weights[rule];
  return Float64Array.from({ length: h.length }, (_, i) => a * h[i]! + b * content[i]!);
}

/** h and the skip g of several pictures at one time step. */
export interface Bottlenecks {
  readonly t: number;
  /** one vector a picture, [C * H * W] */
  readonly h: readonly ArrayLike<number>[];
  readonly g: readonly ArrayLike<number>[];
}

/** Pearson's r of |h| and |g| over pictures at one time step.   Jeong et al. 2023, Fig. 5 */
export interface CorrelationRow {
  readonly t: number;
  /** h and the skip of the same picture */
  readonly matching: number;
  /** h of one picture and the skip of another, over all such pairs */
  readonly mismatched: number;
  /** h mixed with the next picture's, and the skip of the same picture */
  readonly mixed: Readonly<Record<MixRule, number>>;
}

export const rules = Object.keys(MIX) as MixRule[];

/** @throws UserError below 3 pictures: r of two points is always 1 */
export function correlate({ t, h, g }: Bottlenecks, gamma: number): CorrelationRow {
  const count = h.length;
  if (count < 3) throw new UserError(`a correlation needs at least 3 pictures, found ${count}; some 20 make it steady`);
  const [nh, ng] = [h.map(norm), g.map(norm)];
  const others = nh.flatMap((a, i) => ng.flatMap((b, j) => (i === j ? [] : [[a, b] as const])));
  const mixed = rules.map((rule) => {
    const norms = h.map((own, i) => norm(mixVectors(rule, own, h[(i + 1) % count]!, gamma)));
    return [rule, pearson(norms, ng)] as const;
  });
  return {
    t,
    matching: pearson(nh, ng),
    mismatched: pearson(
      others.map(([a]) => a),
      others.map(([, b]) => b),
    ),
    mixed: Object.fromEntries(mixed) as Record<MixRule, number>,
  };
}
