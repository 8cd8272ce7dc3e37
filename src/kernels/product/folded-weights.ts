import { type Parts, stops } from "../conv/packing";

// Weights of shaders/conv/stationary.wgsl for attention with its projections folded: folded-attention.ts says why.

/** Weights of the queries and values: rows W_k^T W_q, then W_o W_v.
 *  @param all W_q, W_k, W_v and W_o, each f32 [c, c]
 *  @returns f32 [2c, c] */
export function* foldedWeights(all: Float32Array, c: number): Parts<Float32Array<ArrayBuffer>> {
  const [q, k, v, o] = quarters(all, c);
  const folded = new Float32Array(2 * c * c);
  const sums = new Float64Array(c);
  const stop = stops(c * c);
  for (let row = 0; row < 2 * c; row++) {
    if (stop()) yield;
    sums.fill(0);
    const right = row < c ? q! : v!;
    for (let m = 0; m < c; m++) {
      const left = row < c ? k![m * c + row]! : o![(row - c) * c + m]!;
      for (let i = 0, at = m * c; i < c; i++, at++) sums[i]! += left * right[at]!;
    }
    folded.set(sums, row * c);
  }
  return folded;
}

/** Biases of the queries and values: W_k^T b_q, then W_o b_v + b_o.
 *  @param all W_q, W_k, W_v and W_o as above, then b_q, b_k, b_v and b_o, each f32 [c]
 *  @returns f32 [2c] */
export function foldedBias(all: Float32Array, c: number): Float32Array<ArrayBuffer> {
  const [, k, , o] = quarters(all, c);
  const bias = (i: number) => all.subarray(4 * c * c + i * c, 4 * c * c + (i + 1) * c);
  const [bq, bv, bo] = [bias(0), bias(2), bias(3)];
  const folded = new Float64Array(2 * c);
  for (let m = 0; m < c; m++)
    for (let i = 0; i < c; i++) {
      folded[i]! += k![m * c + i]! * bq[m]!;
      folded[c + i]! += o![i * c + m]! * bv[m]!;
    }
  for (let i = 0; i < c; i++) folded[c + i]! += bo[i]!;
  return new Float32Array(folded);
}

/** The four matrices. */
const quarters = (all: Float32Array, c: number): Float32Array[] =>
  [0, 1, 2, 3].map((i) => all.subarray(i * c * c, (i + 1) * c * c));
