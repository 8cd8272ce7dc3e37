import { ShapeError } from "../errors";

/** A square matrix: f64 [n * n], row-major. */
export interface Square {
  readonly n: number;
  readonly values: Float64Array;
}

export interface Eigen {
  /** Ascending. */
  readonly values: Float64Array;
  /** Row k is the unit eigenvector of value k: f64 [n, n]. */
  readonly vectors: Float64Array;
}

/** Eigenvalues and eigenvectors of a symmetric matrix; only its lower triangle is read. O(n^3): a second at n = 500.
 *  Householder reduction to tridiagonal form, then implicit QL.   Golub & Van Loan 2013, 8.3
 *  @throws ShapeError for values that are not n x n; Error for values that are not finite */
export function symmetricEigen({ n, values }: Square): Eigen {
  if (values.length !== n * n) throw new ShapeError(`${values.length} values, expected ${n}x${n}`);
  if (!values.every(Number.isFinite)) throw new Error("eigenvalues of a matrix whose values are not all finite");
  const { diagonal, below, vectors } = tridiagonal(n, values);
  implicitQl(n, diagonal, below, vectors);
  const order = Array.from(diagonal.keys()).sort((a, b) => diagonal[a]! - diagonal[b]!);
  const sorted = new Float64Array(n * n);
  order.forEach((from, to) => {
    sorted.set(vectors.subarray(from * n, (from + 1) * n), to * n);
  });
  return { values: Float64Array.from(order, (k) => diagonal[k]!), vectors: sorted };
}

/** A = Q T Q^T by Householder reflections. @returns T's diagonal and subdiagonal, and Q^T (rows, so that QL runs along memory). */
function tridiagonal(n: number, matrix: Float64Array) {
  const a = Float64Array.from(matrix);
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a[j * n + i] = a[i * n + j]!;
  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  const v = new Float64Array(n);
  const p = new Float64Array(n);
  for (let k = 0; k < n - 2; k++) {
    // v reflects column k below the diagonal onto its first element
    let scale = 0;
    for (let i = k + 1; i < n; i++) scale = Math.max(scale, Math.abs(a[i * n + k]!));
    if (scale === 0) continue;
    let square = 0;
    for (let i = k + 1; i < n; i++) square += (v[i] = a[i * n + k]! / scale) ** 2;
    const alpha = v[k + 1]! > 0 ? -Math.sqrt(square) : Math.sqrt(square);
    const beta = 1 / (square - v[k + 1]! * alpha); // 2 / |v|^2
    v[k + 1]! -= alpha;
    // A <- (I - beta v v^T) A (I - beta v v^T) = A - v w^T - w v^T with w = p - (beta/2)(p.v) v, p = beta A v
    let dot = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += a[i * n + j]! * v[j]!;
      p[i] = beta * sum;
      dot += p[i]! * v[i]!;
    }
    for (let i = k + 1; i < n; i++) p[i]! -= (beta / 2) * dot * v[i]!;
    for (let i = k + 1; i < n; i++) {
      const vi = v[i]!;
      const wi = p[i]!;
      for (let j = k + 1; j < n; j++) a[i * n + j]! -= vi * p[j]! + wi * v[j]!;
    }
    a[(k + 1) * n + k] = alpha * scale;
    // Q^T <- (I - beta v v^T) Q^T
    p.fill(0);
    for (let i = k + 1; i < n; i++) for (let j = 0; j < n; j++) p[j]! += v[i]! * q[i * n + j]!;
    for (let i = k + 1; i < n; i++) {
      const factor = beta * v[i]!;
      for (let j = 0; j < n; j++) q[i * n + j]! -= factor * p[j]!;
    }
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]!);
  const below = Float64Array.from({ length: n }, (_, i) => (i + 1 < n ? a[(i + 1) * n + i]! : 0));
  return { diagonal, below, vectors: q };
}

/** Diagonalises a symmetric tridiagonal matrix in place; the rotations are applied to the rows of `vectors`. */
function implicitQl(n: number, d: Float64Array, e: Float64Array, vectors: Float64Array): void {
  for (let l = 0; l < n; l++) {
    for (let iteration = 0; ; iteration++) {
      let m = l;
      while (m < n - 1 && Math.abs(e[m]!) > Number.EPSILON * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))) m++;
      if (m === l) break;
      if (iteration === 60) throw new Error("the eigenvalues of a matrix did not converge");
      const half = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      const root = Math.hypot(half, 1);
      let g = d[m]! - d[l]! + e[l]! / (half + (half >= 0 ? root : -root));
      let s = 1;
      let c = 1;
      let p = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * e[i]!;
        const b = c * e[i]!;
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1]! -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        const t = (d[i]! - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        rotate(vectors, i * n, (i + 1) * n, n, c, s);
      }
      if (i >= l) continue;
      d[l]! -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

function rotate(rows: Float64Array, a: number, b: number, n: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const f = rows[b + k]!;
    rows[b + k] = s * rows[a + k]! + c * f;
    rows[a + k] = c * rows[a + k]! - s * f;
  }
}

/** The symmetric square root of a positive semi-definite matrix; eigenvalues that rounding made negative count as 0. */
export function symmetricSqrt(matrix: Square): Square {
  const { n } = matrix;
  const { values, vectors } = symmetricEigen(matrix);
  const root = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const weight = Math.sqrt(Math.max(0, values[k]!));
    if (weight === 0) continue;
    for (let i = 0; i < n; i++) {
      const factor = weight * vectors[k * n + i]!;
      for (let j = 0; j < n; j++) root[i * n + j]! += factor * vectors[k * n + j]!;
    }
  }
  return { n, values: root };
}

/** A B. @throws ShapeError for different sizes */
export function multiply(a: Square, b: Square): Square {
  const { n } = a;
  if (b.n !== n) throw new ShapeError(`matrices of ${n}x${n} and ${b.n}x${b.n} cannot be multiplied`);
  const values = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) {
      const factor = a.values[i * n + k]!;
      if (factor === 0) continue;
      for (let j = 0; j < n; j++) values[i * n + j]! += factor * b.values[k * n + j]!;
    }
  return { n, values };
}

export function trace({ n, values }: Square): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i * n + i]!;
  return sum;
}
