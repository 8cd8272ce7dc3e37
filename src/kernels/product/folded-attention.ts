import { ceilDiv, type Dispatch, dims4, expectShape, f32, grid1d, read, type Tensor, update, write } from "../dispatch";
import type { Target } from "../target";
import { gemmStationary } from "./gemm";
import { softmax } from "./softmax";
import { evenTile, stationaryDepth, suitsStationary } from "./stationary";

// Attention of one head, with its projections folded:
//
//   k_j . q_i = (W_k x_j + b_k) . (W_q x_i + b_q) = x_j . (W_k^T W_q x_i + W_k^T b_q) + b_k . q_i
//   W_o sum_j p_ij (W_v x_j + b_v) + b_o          = sum_j p_ij (W_o W_v x_j + W_o b_v + b_o),  as sum_j p_ij = 1
//
// The last term of a score is the same for all keys j, so softmax does not see it. What is left of four C x C projections are
// two, multiplied when the model is loaded; the keys are the pixels themselves.

/** Channels up to which folding pays: the products of the weights take C^3 multiply-adds when a model is loaded. With 512
 *  channels, that is what folding saves in 30 steps. */
const MOST_CHANNELS = 256;

/** Whether attention over `pixels` is worth folding: where a software adapter holds tiles of both products. */
export function suitsFolding(channels: number, pixels: number, target: Target): boolean {
  const { adapterClass, subgroups, precision, weights, activations, folds = true } = target;
  return (
    folds &&
    adapterClass === "software" &&
    subgroups &&
    precision === "fast" &&
    weights === "f32" &&
    activations !== "f16" &&
    channels <= MOST_CHANNELS &&
    pixels % 4 === 0 &&
    suitsStationary(pixels, pixels, channels) &&
    suitsStationary(channels, pixels, pixels) &&
    channels === stationaryDepth(channels)
  );
}

export interface FoldedAttentionIo {
  /** f32 [N, C, H, W]: the keys before normalisation, and what is added to the result */
  readonly x: Tensor;
  /** f32 [N, C, 4] = (mean, scale, shift, 0), if the keys are normalised */
  readonly norm?: Tensor | undefined;
  /** f32 [N, 2C, H, W]: queries W_k^T q, then values W_o v, with their biases */
  readonly qv: Tensor;
  /** f32 [N, C, H, W], written */
  readonly y: Tensor;
}

/** y = x + softmax(keys^T queries / sqrt(C)) applied to the values, for each sample over all pixels.
 *  Sizes are such as `suitsFolding` allows.   Vaswani et al. 2017, with one head */
export function foldedAttention({ x, norm, qv, y }: FoldedAttentionIo, target: Target): Dispatch[] {
  const [n, c, h, w] = dims4(y);
  const t = h * w;
  expectShape(x, n, c, h, w);
  expectShape(qv, n, 2 * c, h, w);
  if (norm) expectShape(norm, n, c, 4);
  const keys = f32(`${y.name}/keys`, n, t, c);
  const scores = f32(`${y.name}/scores`, n, t, t); // [key, query]
  const strides = (start: number, outer: number) => ({ start, outer, inner: 0 });
  const one = { batches: n, inner: 1 };
  const tileN = evenTile(t)!;
  return [
    {
      label: `${y.name}/keys`,
      shader: "product/folded_keys",
      constants: { BATCHES: n, H: c, W: t, NORM: Number(!!norm) },
      bindings: [read(x), read(norm ?? x), write(keys), write(y)],
      workgroups: grid1d(ceilDiv((n * c * t) / 16, 16)),
    },
    // scores[j, i] = keys[j, :] . queries[:, i]
    gemmStationary(
      `${y.name}/scores`,
      [read(keys), read(qv), write(scores)],
      { ...one, m: t, n: t, k: c, a: strides(0, t * c), b: strides(0, 2 * c * t) },
      { tileN, packed: false },
    ),
    softmax(`${y.name}/softmax`, scores, c, target),
    // y[e, i] += values[e, :] . scores[:, i]
    gemmStationary(
      `${y.name}/values`,
      [read(qv), read(scores), update(y)],
      { ...one, m: c, n: t, k: t, a: strides(c * t, 2 * c * t), b: strides(0, t * t) },
      { tileN, packed: false },
    ),
  ];
}
