import type { ConvUse } from "../kernels/conv/variants";

/** Inputs of a trial, f32: x [1, C1, H, W], skip [1, C2, H, W], weight [OC, C1 + C2, K, K], bias [OC], and norm
 *  [1, C1 + C2, 4] of (mean, scale, shift, 0). */
export interface TrialData {
  readonly x: Float32Array<ArrayBuffer>;
  readonly skip: Float32Array<ArrayBuffer>;
  readonly weight: Float32Array<ArrayBuffer>;
  readonly bias: Float32Array<ArrayBuffer>;
  readonly norm: Float32Array<ArrayBuffer>;
}

/** Seeded numbers that make outputs near 1. Weights are eighths of a power of two, so that f16 holds them as they are. */
export function trialData({ kernel, shape }: ConvUse): TrialData {
  const { c1, c2, oc, h, w } = shape;
  const depth = (c1 + c2) * kernel ** 2;
  const unit = 2 ** Math.round(Math.log2(depth ** -0.5));
  const norm = filled(4, 4 * (c1 + c2)).map((v, i) => [0.3 * v, 1 + 0.3 * v, 0.3 * v, 0][i % 4]!);
  return {
    x: filled(0, c1 * h * w),
    skip: filled(1, c2 * h * w),
    weight: filled(2, oc * depth).map((v) => (Math.round(8 * v) / 4) * unit),
    bias: filled(3, oc),
    norm,
  };
}

/** Numbers in [-1, 1). */
function filled(seed: number, count: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  let state = Math.imul(seed + 1, 0x9e3779b1);
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 31;
  }
  return values;
}

/** The convolution in f64 at flat indices of y [1, OC, OH, OW], term by term:
 *  y[o, p] = bias[o] + sum_{c, dy, dx} w[o, c, dy, dx] in[c, stride p + (dy, dx) - pad], 0 outside. */
export function convAt(use: ConvUse, data: TrialData, ow: number, points: readonly number[]): number[] {
  const { kernel, shape, pad } = use;
  const { c1, c2, h, w, stride, upsample } = shape;
  const scale = upsample ? 2 : 1;
  const before = kernel === 3 && pad === "same" ? 1 : 0;
  const plane = outputSide(use, h) * ow;
  return points.map((point) => {
    const o = Math.floor(point / plane);
    const oy = Math.floor((point % plane) / ow);
    const ox = point % ow;
    let sum = data.bias[o]!;
    for (let c = 0; c < c1 + c2; c++)
      for (let dy = 0; dy < kernel; dy++)
        for (let dx = 0; dx < kernel; dx++) {
          const iy = oy * stride + dy - before;
          const ix = ox * stride + dx - before;
          if (iy < 0 || ix < 0 || iy >= h * scale || ix >= w * scale) continue;
          const at = Math.floor(iy / scale) * w + Math.floor(ix / scale);
          const v = c < c1 ? data.x[c * h * w + at]! : data.skip[(c - c1) * h * w + at]!;
          sum += data.weight[((o * (c1 + c2) + c) * kernel + dy) * kernel + dx]! * activated(use, data, c, v);
        }
    return sum;
  });
}

function activated({ norm, silu }: ConvUse, data: TrialData, c: number, value: number): number {
  const v = norm ? (value - data.norm[4 * c]!) * data.norm[4 * c + 1]! + data.norm[4 * c + 2]! : value;
  return silu ? v / (1 + Math.exp(-v)) : v;
}

/** Side of the output of a side of the input. */
export function outputSide({ kernel, shape: { stride, upsample }, pad }: ConvUse, side: number): number {
  const padded = side * (upsample ? 2 : 1) + (kernel === 1 ? 0 : pad === "same" ? 2 : 1);
  return Math.floor((padded - kernel) / stride) + 1;
}
