import { ShapeError, UserError } from "../errors";
import { multiply, type Square, symmetricEigen, symmetricSqrt, trace } from "./eigen";

/** Feature vectors of a set of pictures: f32 or f64 [count, width]. */
export interface Features {
  readonly count: number;
  readonly width: number;
  readonly values: Float32Array | Float64Array;
}

export interface Gaussian {
  readonly mean: Float64Array;
  /** Unbiased, as numpy.cov. */
  readonly covariance: Square;
}

/** Fréchet distance of two Gaussians, squared:   |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))   Dowson & Landau 1982
 *  The last trace is taken from the symmetric S1^(1/2) S2 S1^(1/2), which has the same eigenvalues and keeps them real and
 *  non-negative. With features of Inception this is the FID. */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  const n = a.covariance.n;
  if (b.covariance.n !== n) throw new ShapeError(`features of ${n} and of ${b.covariance.n} values cannot be compared`);
  const root = symmetricSqrt(a.covariance);
  const { values } = symmetricEigen(multiply(multiply(root, b.covariance), root));
  const cross = values.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
  return meanTerm(a.mean, b.mean) + trace(a.covariance) + trace(b.covariance) - 2 * cross;
}

/** The same from the features themselves. With fewer pictures than features, tr((S1 S2)^(1/2)) is the sum of the singular
 *  values of X1 X2^T (centred and scaled), so the matrices are as small as the sets: minutes become seconds.
 *  @throws UserError for fewer than 2 pictures in a set */
export function frechetOfFeatures(a: Features, b: Features): number {
  if (a.width !== b.width) throw new ShapeError(`features of ${a.width} and of ${b.width} values cannot be compared`);
  if (Math.min(a.count, b.count) < 2)
    throw new UserError(`a Fréchet distance needs 2 pictures in each set, found ${a.count} and ${b.count}`);
  if (Math.min(a.count, b.count) >= a.width) return frechetDistance(gaussian(a), gaussian(b));
  const [x, y] = a.count <= b.count ? [centred(a), centred(b)] : [centred(b), centred(a)];
  const cross = new Float64Array(x.count * y.count);
  for (let i = 0; i < x.count; i++)
    for (let j = 0; j < y.count; j++) {
      let sum = 0;
      for (let k = 0; k < x.width; k++) sum += x.values[i * x.width + k]! * y.values[j * y.width + k]!;
      cross[i * y.count + j] = sum;
    }
  const energy = (f: Centred) => f.values.reduce((sum, value) => sum + value * value, 0);
  return meanTerm(x.mean, y.mean) + energy(x) + energy(y) - 2 * singularSum(cross, x.count, y.count);
}

/** Mean and covariance of features. */
export function gaussian(features: Features): Gaussian {
  const { mean, values, count, width: n } = centred(features);
  const covariance = new Float64Array(n * n);
  for (let r = 0; r < count; r++)
    for (let i = 0; i < n; i++) {
      const factor = values[r * n + i]!;
      for (let j = 0; j <= i; j++) covariance[i * n + j]! += factor * values[r * n + j]!;
    }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) covariance[j * n + i] = covariance[i * n + j]!;
  return { mean, covariance: { n, values: covariance } };
}

interface Centred {
  readonly mean: Float64Array;
  /** (x - mean) / sqrt(count - 1): f64 [count, width] */
  readonly values: Float64Array;
  readonly count: number;
  readonly width: number;
}

function centred({ count, width, values }: Features): Centred {
  if (values.length !== count * width) throw new ShapeError(`${values.length} values, expected ${count}x${width}`);
  const mean = new Float64Array(width);
  for (let i = 0; i < values.length; i++) mean[i % width]! += values[i]! / count;
  const scale = 1 / Math.sqrt(count - 1);
  return { mean, count, width, values: Float64Array.from(values, (value, i) => (value - mean[i % width]!) * scale) };
}

/** |a - b|^2. */
export function meanTerm(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}

/** Sum of the singular values of M: [rows, columns], rows <= columns, by one-sided Jacobi rotations of its rows: unlike the
 *  eigenvalues of M M^T, these keep the small ones exact. */
function singularSum(m: Float64Array, rows: number, columns: number): number {
  const row = Array.from({ length: rows }, (_, i) => m.slice(i * columns, (i + 1) * columns));
  const dot = (a: Float64Array, b: Float64Array) => {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += a[k]! * b[k]!;
    return sum;
  };
  for (let sweep = 0, turned = true; turned && sweep < 60; sweep++) {
    turned = false;
    for (let i = 0; i < rows; i++)
      for (let j = i + 1; j < rows; j++) {
        const [p, q] = [row[i]!, row[j]!];
        const [pp, qq, pq] = [dot(p, p), dot(q, q), dot(p, q)];
        if (Math.abs(pq) <= 1e-14 * Math.sqrt(pp * qq) || pq === 0) continue;
        turned = true;
        const zeta = (qq - pp) / (2 * pq);
        const t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        const s = c * t;
        for (let k = 0; k < columns; k++) {
          const value = p[k]!;
          p[k] = c * value - s * q[k]!;
          q[k] = s * value + c * q[k]!;
        }
      }
  }
  return row.reduce((sum, r) => sum + Math.sqrt(dot(r, r)), 0);
}
