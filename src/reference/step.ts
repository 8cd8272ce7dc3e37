import { make, type Numbers, sum } from "./numbers";

/** Mean and unbiased standard deviation of one sample. */
export function moments(x: Numbers): [mean: number, std: number] {
  const values = Array.from(x);
  const mean = sum(values) / values.length;
  return [mean, Math.sqrt(sum(values.map((v) => (v - mean) ** 2)) / (values.length - 1))];
}

/** Scalars of one sample's step, as step-row.ts names them. */
export interface Scalars {
  readonly SQRT_ALPHA: number;
  readonly SQRT_ONE_MINUS_ALPHA: number;
  readonly SQRT_ALPHA_NEXT: number;
  readonly DIRECTION: number;
  readonly SIGMA: number;
  readonly OMEGA: number;
  readonly RESCALE: number;
  readonly X0_X: number;
  readonly X0_O: number;
  readonly EPS_X: number;
  readonly EPS_O: number;
  /** 0: no clamp */
  readonly CLIP?: number;
  /** 0: nothing of the step before */
  readonly BEFORE?: number;
  /** where x was before the step */
  readonly BACK_SIGNAL?: number;
  readonly BACK_NOISE?: number;
}

/** P of one sample.   Song et al. 2021, eq. 12 */
export const predictX0 = (s: Pick<Scalars, "X0_X" | "X0_O">, x: Numbers, o: Numbers): Float64Array =>
  make(x.length, (i) => s.X0_X * x[i]! + s.X0_O * o[i]!);

/** x' of one sample, from e and the injected e~.   Jeong et al. 2023, section 3.4 */
export function calibrate(
  s: Scalars,
  x: Numbers,
  e: Numbers,
  injected: Numbers,
  regions: readonly { readonly mask: Numbers; readonly omega: number }[] = [],
): Float64Array {
  const omegaAt = (i: number) =>
    regions.reduce((below, { mask, omega }) => {
      const m = mask[i % mask.length]!;
      return (1 - m) * below + m * omega;
    }, s.OMEGA);
  const [p, q] = [predictX0(s, x, e), predictX0(s, x, injected)];
  const [std, [mean, stdQ]] = [moments(p)[1], moments(q)];
  const ratio = s.RESCALE && stdQ > 0 ? std / stdQ : 1;
  return make(x.length, (i) => {
    const dp = mean + (q[i]! - mean) * ratio - p[i]!;
    return x[i]! + s.SQRT_ALPHA * dp + omegaAt(i) * s.SQRT_ONE_MINUS_ALPHA * s.EPS_O * (injected[i]! - e[i]!);
  });
}

/** By how far a DDIM step back misses b, and x moved by the edit.   Zhang, Lewis & Kleijn 2023 */
export function retrace(
  s: Scalars,
  x: Numbers,
  o: Numbers,
  injected: Numbers,
  b: Numbers,
): { rest: Float64Array; moved: Float64Array } {
  const { BACK_SIGNAL: signal = 0, BACK_NOISE: noise = 0 } = s;
  const [p, q] = [predictX0(s, x, o), predictX0(s, x, injected)];
  const eps = (i: number) => s.EPS_X * x[i]! + s.EPS_O * o[i]!;
  return {
    rest: make(x.length, (i) => b[i]! - signal * p[i]! - noise * eps(i)),
    moved: make(x.length, (i) => x[i]! + s.SQRT_ALPHA * (q[i]! - p[i]!)),
  };
}

/** x_next of one sample: P from `injected`, the direction from `e`.   Kwon et al. 2023, eq. 5
 *  @param b what the step before left; read where BEFORE is not 0 */
export function ddim(s: Scalars, x: Numbers, e: Numbers, injected: Numbers, z: Numbers, b: Numbers = []): Float64Array {
  const { CLIP: clip = 0, BEFORE: before = 0 } = s;
  const p = predictX0(s, x, injected).map((v) => (clip > 0 ? Math.min(clip, Math.max(-clip, v)) : v));
  const eps = (i: number) => s.EPS_X * x[i]! + s.EPS_O * e[i]!;
  const kept = (i: number) => (before === 0 ? 0 : before * b[i]!);
  return make(x.length, (i) => s.SQRT_ALPHA_NEXT * p[i]! + s.DIRECTION * eps(i) + s.SIGMA * z[i]! + kept(i));
}
