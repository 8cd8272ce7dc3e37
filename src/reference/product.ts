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

/** Operands of attention: keys and values [d][positions] of a head, learned ones first. */
function remembered(
  qkv: Numbers,
  { c, h, w, heads }: Pick<AttentionCase, "c" | "h" | "w" | "heads">,
  memory: ((part: 0 | 1, head: number, e: number) => number[]) | undefined,
  sample: number,
  head: number,
) {
  const [t, d] = [h * w, c / heads];
  const row = (part: number, e: number) => {
    const start = ((sample * 3 + part) * c + head * d + e) * t;
    return Array.from({ length: t }, (_, j) => qkv[start + j]!);
  };
  const rows = (part: number) => Array.from({ length: d }, (_, e) => row(part, e));
  const behind = (part: 0 | 1) => rows(1 + part).map((values, e) => [...(memory?.(part, head, e) ?? []), ...values]);
  return { q: rows(0), k: behind(0), v: behind(1), t, d };
}

const exponentials = (values: readonly number[]): number[] => {
  const peak = Math.max(...values);
  const all = values.map((v) => Math.exp(v - peak));
  const total = sum(all);
  return all.map((v) => v / total);
};

/** Attention over pixels and `count` learned positions, memory [2, heads, count, d]; the new order of qkv. */
export function memoryAttentionReference(qkv: Numbers, memory: Numbers, s: Omit<AttentionCase, "order">): Float64Array {
  const { n, c, h, w, heads } = s;
  const count = memory.length / (2 * c);
  const y = new Float64Array(n * c * h * w);
  const learned = (part: 0 | 1, head: number, e: number) =>
    Array.from({ length: count }, (_, j) => memory[((part * heads + head) * count + j) * (c / heads) + e]!);
  for (let z = 0; z < n * heads; z++) {
    const { q, k, v, t, d } = remembered(qkv, s, learned, Math.floor(z / heads), z % heads);
    for (let i = 0; i < t; i++) {
      const weights = exponentials(k[0]!.map((_, j) => sum(q.map((row, e) => row[i]! * k[e]![j]!)) / Math.sqrt(d)));
      for (let e = 0; e < d; e++) y[(z * d + e) * t + i] = sum(v[e]!.map((value, j) => value * weights[j]!));
    }
  }
  return y;
}

export interface LinearAttentionCase extends Omit<AttentionCase, "order"> {
  /** values are divided by the number of pixels */
  readonly divided?: boolean;
}

/** Linear attention, memory [2, heads, d, count] if any.   Shen et al. 2021 */
export function linearAttentionReference(
  qkv: Numbers,
  memory: Numbers | undefined,
  s: LinearAttentionCase,
): Float64Array {
  const { n, c, h, w, heads, divided } = s;
  const y = new Float64Array(n * c * h * w);
  const count = (memory?.length ?? 0) / (2 * c);
  const learned = (part: 0 | 1, head: number, e: number) =>
    Array.from({ length: count }, (_, j) => memory![((part * heads + head) * (c / heads) + e) * count + j]!);
  for (let z = 0; z < n * heads; z++) {
    const { q, k, v, t, d } = remembered(qkv, s, memory && learned, Math.floor(z / heads), z % heads);
    const keys = k.map(exponentials);
    const scale = 1 / Math.sqrt(d) / (divided ? t : 1);
    const context = keys.map((weights) => v.map((row) => scale * sum(row.map((value, j) => value * weights[j]!))));
    for (let i = 0; i < t; i++) {
      const queries = exponentials(q.map((row) => row[i]!));
      for (let f = 0; f < d; f++) y[(z * d + f) * t + i] = sum(queries.map((weight, e) => weight * context[e]![f]!));
    }
  }
  return y;
}
