// Slow, obvious, f64: what the kernels should compute. Activations are row-major [N, C, H, W].
import { slerpWeights } from "../../src/inject/slerp";
import type { MixRule } from "../../src/kernels/step/step-row";

type Numbers = ArrayLike<number>;
type Shape4 = readonly [n: number, c: number, h: number, w: number];

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const sum = (values: Numbers): number => Array.from(values).reduce((a, b) => a + b, 0);
const make = (count: number, value: (i: number) => number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => value(i));

/** Sample n of an array of `count` samples, n going round and round. */
export const sample = (values: Numbers, count: number, n: number): number[] => {
  const length = values.length / count;
  return Array.from({ length }, (_, i) => values[(n % count) * length + i]!);
};

export const silu = (v: number): number => v / (1 + Math.exp(-v));

/** [x; skip] along the channels; sample n of skip is n % skipSamples. */
export function concat(x: Numbers, skip: Numbers, n: number, skipSamples: number): Float64Array {
  const samples = Array.from({ length: n }, (_, i) => [...sample(x, n, i), ...sample(skip, skipSamples, i)]);
  return Float64Array.from(samples.flat());
}

export interface GroupNormOptions {
  readonly groups: number;
  readonly eps: number;
  readonly silu?: boolean;
  /** [samples, columns] and where the scale begins */
  readonly film?: { readonly data: Numbers; readonly samples: number; readonly offset: number };
}

export function groupNorm(x: Numbers, gamma: Numbers, beta: Numbers, shape: Shape4, o: GroupNormOptions): Float64Array {
  const [, c, h, w] = shape;
  const inGroup = (c / o.groups) * h * w;
  const y = new Float64Array(size(shape));
  for (let first = 0; first < y.length; first += inGroup) {
    const values = Array.from({ length: inGroup }, (_, i) => x[first + i]!);
    const mean = sum(values) / inGroup;
    const variance = sum(values.map((v) => (v - mean) ** 2)) / inGroup;
    values.forEach((v, i) => {
      const channel = Math.floor((first + i) / (h * w)) % c;
      const row = o.film ? sample(o.film.data, o.film.samples, Math.floor((first + i) / (c * h * w))) : [];
      const at = (o.film?.offset ?? 0) + channel;
      const normal = ((v - mean) / Math.sqrt(variance + o.eps)) * gamma[channel]! + beta[channel]!;
      const z = o.film ? normal * (1 + row[at]!) + row[at + c]! : normal;
      y[first + i] = o.silu ? silu(z) : z;
    });
  }
  return y;
}

export function timeEmbedding(times: Numbers, channels: number, order: "sin-cos" | "cos-sin"): Float64Array {
  const half = Math.floor(channels / 2);
  const spacing = Math.log(1e4) / (order === "sin-cos" ? half - 1 : half);
  return make(times.length * channels, (at) => {
    const column = at % channels;
    if (column >= 2 * half) return 0;
    const angle = times[Math.floor(at / channels)]! * Math.exp(-spacing * (column % half));
    return column < half === (order === "sin-cos") ? Math.sin(angle) : Math.cos(angle);
  });
}

export function linear(x: Numbers, weight: Numbers, bias: Numbers, n: number): Float64Array {
  const columns = x.length / n;
  return make(n * bias.length, (at) => {
    const [i, row] = [Math.floor(at / bias.length), at % bias.length];
    return bias[row]! + sum(make(columns, (k) => x[i * columns + k]! * weight[row * columns + k]!));
  });
}

export function upsample2x(x: Numbers, [n, c, h, w]: Shape4): Float64Array {
  return make(n * c * h * w * 4, (at) => {
    const plane = Math.floor(at / (4 * h * w));
    const [i, j] = [Math.floor(at / (2 * w)) % (2 * h), at % (2 * w)];
    return x[(plane * h + (i >> 1)) * w + (j >> 1)]!;
  });
}

export function avgPool2(x: Numbers, [n, c, h, w]: Shape4): Float64Array {
  const [height, width] = [h >> 1, w >> 1];
  return make(n * c * height * width, (at) => {
    const plane = Math.floor(at / (height * width));
    const [i, j] = [Math.floor(at / width) % height, at % width];
    const value = (a: number, b: number) => x[(plane * h + 2 * i + a) * w + 2 * j + b]!;
    return (value(0, 0) + value(0, 1) + value(1, 0) + value(1, 1)) / 4;
  });
}

/** One sample mixed: (1 - m) h + m (a h + b h_c), weights of the rule from u = m h and v = m h_c. */
export function mix(
  h: Numbers,
  content: Numbers,
  mask: Numbers | undefined,
  rule: MixRule,
  gamma: number,
): Float64Array {
  const m = (i: number) => (mask ? mask[i % mask.length]! : 1);
  const [u, v] = [make(h.length, (i) => m(i) * h[i]!), make(h.length, (i) => m(i) * content[i]!)];
  const [a, b] = mixWeights(u, v, rule, gamma);
  return make(h.length, (i) => (1 - m(i)) * h[i]! + a * u[i]! + b * v[i]!);
}

function mixWeights(u: Float64Array, v: Float64Array, rule: MixRule, gamma: number): [a: number, b: number] {
  if (gamma === 0) return [1, 0];
  if (rule === "lerp") return [1 - gamma, gamma];
  if (rule === "add") return [1, gamma];
  if (rule === "replace") return [0, 1];
  const [normU, normV] = [Math.hypot(...u), Math.hypot(...v)];
  if (normU === 0 || normV === 0) return [1, 0];
  const [a, b] = slerpWeights(sum(u.map((value, i) => value * v[i]!)) / (normU * normV), gamma);
  return [a, rule === "slerp" ? (b * normU) / normV : b];
}

/** Mean and unbiased standard deviation. */
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
}

export const predictX0 = (
  s: Pick<Scalars, "SQRT_ALPHA" | "SQRT_ONE_MINUS_ALPHA">,
  x: Numbers,
  e: Numbers,
): Float64Array => make(x.length, (i) => (x[i]! - s.SQRT_ONE_MINUS_ALPHA * e[i]!) / s.SQRT_ALPHA);

/** x' of one sample, from e and the injected e~. */
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
    return x[i]! + s.SQRT_ALPHA * dp + omegaAt(i) * s.SQRT_ONE_MINUS_ALPHA * (injected[i]! - e[i]!);
  });
}

/** x_next of one sample: P from `injected`, the direction from `e`. */
export function ddim(s: Scalars, x: Numbers, e: Numbers, injected: Numbers, z: Numbers): Float64Array {
  const p = predictX0(s, x, injected);
  return make(x.length, (i) => s.SQRT_ALPHA_NEXT * p[i]! + s.DIRECTION * e[i]! + s.SIGMA * z[i]!);
}

/** PIL's antialiased bilinear resize of a window of one channel, without its rounding to 8 bits. */
export function resize(
  pixels: Numbers,
  width: number,
  [left, top, right, bottom]: readonly [number, number, number, number],
  outWidth: number,
  outHeight: number,
): Float64Array {
  const across = taps(right - left, outWidth);
  const down = taps(bottom - top, outHeight);
  return make(outWidth * outHeight, (at) =>
    sum(
      down[Math.floor(at / outWidth)]!.flatMap(([y, wy]) =>
        across[at % outWidth]!.map(([x, wx]) => wy * wx * pixels[(top + y) * width + left + x]!),
      ),
    ),
  );
}

/** For every output, the inputs it reads and their weights. */
function taps(inputs: number, outputs: number): [index: number, weight: number][][] {
  const scale = inputs / outputs;
  const radius = Math.max(1, scale);
  return Array.from({ length: outputs }, (_, o) => {
    const centre = (o + 0.5) * scale;
    const all = Array.from({ length: inputs }, (_, i): [number, number] => [
      i,
      Math.max(0, 1 - Math.abs(i + 0.5 - centre) / radius),
    ]);
    const total = sum(all.map(([, weight]) => weight));
    return all.filter(([, weight]) => weight > 0).map(([i, weight]) => [i, weight / total]);
  });
}
