import { UserError } from "../errors";
import { MIX, type MixRule } from "../kernels/step/step-row";
import { norm, pearson } from "../metrics/statistics";
import { mix } from "../reference/mix";

/** h~ of two whole vectors under a mixing rule. */
export const mixVectors = (rule: MixRule, h: ArrayLike<number>, content: ArrayLike<number>, gamma: number) =>
  mix(h, content, undefined, rule, gamma);

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
