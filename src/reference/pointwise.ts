import { make, type Numbers, type Shape4, sample } from "./numbers";

export const silu = (v: number): number => v / (1 + Math.exp(-v));

/** 2 / sqrt(pi) exp(-v^2) (v + 2 v^3 / 3 + 4 v^5 / 15 + ...): no term cancels another. */
function erf(v: number): number {
  if (Math.abs(v) > 6) return Math.sign(v);
  let term = v;
  let total = v;
  for (let k = 1; k < 200; k++) {
    term *= (2 * v * v) / (2 * k + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-v * v) * total;
}

export const activations = {
  silu,
  mish: (v: number): number => v * Math.tanh(Math.log1p(Math.exp(v))),
  gelu: (v: number): number => 0.5 * v * (1 + erf(v / Math.SQRT2)),
  relu: (v: number): number => Math.max(v, 0),
} as const;

/** [x; skip] along the channels; sample n of skip is n % skipSamples. */
export function concat(x: Numbers, skip: Numbers, n: number, skipSamples: number): Float64Array {
  const samples = Array.from({ length: n }, (_, i) => [...sample(x, n, i), ...sample(skip, skipSamples, i)]);
  return Float64Array.from(samples.flat());
}

/** Sinusoidal embedding of time steps, frequencies exp(-ln(1e4) i / (half - shift)) unless given.   Vaswani et al. 2017 */
export function timeEmbedding(
  times: Numbers,
  channels: number,
  order: "sin-cos" | "cos-sin",
  shift = order === "sin-cos" ? 1 : 0,
  frequencies?: Numbers,
): Float64Array {
  const half = Math.floor(channels / 2);
  const spacing = Math.log(1e4) / (half - shift);
  return make(times.length * channels, (at) => {
    const column = at % channels;
    if (column >= 2 * half) return 0;
    const angle =
      times[Math.floor(at / channels)]! * (frequencies?.[column % half] ?? Math.exp(-spacing * (column % half)));
    return column < half === (order === "sin-cos") ? Math.sin(angle) : Math.cos(angle);
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

/** Blocks of 2x2 pixels as four channels. */
export function spaceToDepth(x: Numbers, [n, c, h, w]: Shape4): Float64Array {
  const [height, width] = [h / 2, w / 2];
  return make(n * c * h * w, (at) => {
    const [j, i] = [at % width, Math.floor(at / width) % height];
    const channel = Math.floor(at / (width * height));
    const [plane, corner] = [channel >> 2, channel % 4];
    return x[(plane * h + 2 * i + (corner >> 1)) * w + 2 * j + (corner % 2)]!;
  });
}
