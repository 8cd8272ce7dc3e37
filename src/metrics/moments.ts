import { ShapeError } from "../errors";
import { symmetricEigen } from "./eigen";
import { type Features, type Gaussian, gaussian, meanTerm } from "./frechet";

/** Mean and scatter of feature vectors, from which those of a union follow exactly. */
export interface Moments {
  readonly count: number;
  readonly mean: Float64Array;
  /** sum of (x - mean)(x - mean)^T, the lower triangle row by row: f64 [width (width + 1) / 2] */
  readonly scatter: Float64Array;
}

const triangle = (width: number): number => (width * (width + 1)) / 2;

/** Mean and scatter of these vectors, in two passes. */
export function momentsOf({ count, width, values }: Features): Moments {
  if (values.length !== count * width) throw new ShapeError(`${values.length} values, expected ${count}x${width}`);
  const mean = new Float64Array(width);
  for (let i = 0; i < values.length; i++) mean[i % width]! += values[i]! / count;
  const scatter = new Float64Array(triangle(width));
  const d = new Float64Array(width);
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < width; i++) d[i] = values[r * width + i]! - mean[i]!;
    addOuter(scatter, d, 1);
  }
  return { count, mean, scatter };
}

/** Moments of the union of two sets.   Chan, Golub and LeVeque 1983
 *  with n = na + nb, d = mb - ma:   m = ma + d nb / n,   S = Sa + Sb + d d^T na nb / n */
export function combine(a: Moments, b: Moments): Moments {
  if (a.mean.length !== b.mean.length)
    throw new ShapeError(`features of ${a.mean.length} and of ${b.mean.length} values cannot be combined`);
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const count = a.count + b.count;
  const d = b.mean.map((value, i) => value - a.mean[i]!);
  const scatter = a.scatter.map((value, k) => value + b.scatter[k]!);
  addOuter(scatter, d, (a.count * b.count) / count);
  return { count, mean: a.mean.map((value, i) => value + (d[i]! * b.count) / count), scatter };
}

function addOuter(scatter: Float64Array, d: Float64Array, factor: number): void {
  let k = 0;
  for (let i = 0; i < d.length; i++) {
    const scaled = factor * d[i]!;
    for (let j = 0; j <= i; j++) scatter[k++]! += scaled * d[j]!;
  }
}

/** The Gaussian with these moments; the covariance is unbiased. */
export function gaussianOf({ count, mean, scatter }: Moments): Gaussian {
  const n = mean.length;
  const values = new Float64Array(n * n);
  let k = 0;
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const value = scatter[k++]! / (count - 1);
      values[i * n + j] = value;
      values[j * n + i] = value;
    }
  return { mean, covariance: { n, values } };
}

/** Fréchet distance of a Gaussian to fewer vectors than they have values: with S2 = Z^T Z, tr((S1 S2)^(1/2)) is the sum of
 *  the square roots of the eigenvalues of Z S1 Z^T, which is as small as the set. Z holds Helmert's contrasts of the
 *  vectors: one row fewer than vectors, so that no eigenvalue is zero because the mean was taken off. */
export function frechetToFew(a: Gaussian, few: Features): number {
  const { width, count, values } = few;
  if (a.covariance.n !== width)
    throw new ShapeError(`features of ${a.covariance.n} and of ${width} values cannot be compared`);
  const rows = count - 1;
  const z = new Float64Array(rows * width);
  const sum = Float64Array.from(values.subarray(0, width));
  for (let r = 0; r < rows; r++) {
    const scale = 1 / Math.sqrt((r + 1) * (r + 2) * rows);
    for (let i = 0; i < width; i++) {
      const next = values[(r + 1) * width + i]!;
      z[r * width + i] = (sum[i]! - (r + 1) * next) * scale;
      sum[i]! += next;
    }
  }
  const projected = new Float64Array(rows * width);
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < width; i++) {
      let total = 0;
      for (let j = 0; j < width; j++) total += z[r * width + j]! * a.covariance.values[j * width + i]!;
      projected[r * width + i] = total;
    }
  const small = new Float64Array(rows * rows);
  for (let r = 0; r < rows; r++)
    for (let s = 0; s <= r; s++) {
      let total = 0;
      for (let i = 0; i < width; i++) total += projected[r * width + i]! * z[s * width + i]!;
      small[r * rows + s] = total;
      small[s * rows + r] = total;
    }
  const cross = symmetricEigen({ n: rows, values: small }).values.reduce(
    (all, v) => all + Math.sqrt(Math.max(0, v)),
    0,
  );
  let traces = z.reduce((all, value) => all + value * value, 0);
  for (let i = 0; i < width; i++) traces += a.covariance.values[i * width + i]!;
  const mean = sum.map((value) => value / count);
  return meanTerm(a.mean, mean) + traces - 2 * cross;
}

/** The Gaussian of vectors, or of their moments. */
export const gaussianFrom = (set: Features | Moments): Gaussian => ("scatter" in set ? gaussianOf(set) : gaussian(set));
