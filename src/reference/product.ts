import type { QkvOrder } from "../kernels/product/attention";
import { make, type Numbers, sum } from "./numbers";

/** x [N, I] weight^T [O, I] + bias [O]. */
export function linear(x: Numbers, weight: Numbers, bias: Numbers, n: number): Float64Array {
  const columns = x.length / n;
  return make(n * bias.length, (at) => {
    const [i, row] = [Math.floor(at / bias.length), at % bias.length];
    return bias[row]! + sum(make(columns, (k) => x[i * columns + k]! * weight[row * columns + k]!));
  });
}

export interface AttentionCase {
  readonly n: number;
  readonly c: number;
  readonly h: number;
  readonly w: number;
  readonly heads: number;
  readonly order: QkvOrder;
}

/** y [N, C, T] in f64, one output pixel at a time; only at the flat indices `points`, if given. */
export function attentionReference(qkv: Numbers, s: AttentionCase, points?: ArrayLike<number>): Float64Array {
  const { n, c, h, w, heads, order } = s;
  const t = h * w;
  const d = c / heads;
  const output = (at: number): number => {
    const [i, channel, sample] = [at % t, Math.floor(at / t) % c, Math.floor(at / (t * c))];
    const [head, e] = [Math.floor(channel / d), channel % d];
    const row = (part: number) =>
      (sample * 3 * c + (order === "legacy" ? (head * 3 + part) * d : part * c + head * d)) * t;
    const [q, k, v] = [row(0), row(1), row(2)] as const;
    const scores = Array.from({ length: t }, (_, j) => {
      let dot = 0;
      for (let x = 0; x < d; x++) dot += qkv[q + x * t + i]! * qkv[k + x * t + j]!;
      return dot / Math.sqrt(d);
    });
    const peak = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - peak));
    const total = weights.reduce((a, b) => a + b, 0);
    return weights.reduce((sum, weight, j) => sum + (weight / total) * qkv[v + e * t + j]!, 0);
  };
  return Float64Array.from({ length: points?.length ?? n * c * t }, (_, i) => output(points?.[i] ?? i));
}
