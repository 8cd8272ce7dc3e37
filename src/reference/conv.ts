import { defaultPadding, outputSize, type Padding } from "../kernels/conv/output-size";
import { seeded } from "../random";
import { silu } from "./pointwise";

type Data = Float32Array<ArrayBuffer>;

/** Sizes and options of a convolution. `skipN`, `normN`, `tembN`, `residualN`: samples of an input; absent, no input. */
export interface ConvCase {
  readonly n: number;
  readonly c1: number;
  readonly c2?: number;
  readonly oc: number;
  readonly h: number;
  readonly w: number;
  readonly kernel: 1 | 3;
  readonly stride?: 1 | 2;
  readonly pad?: Padding;
  readonly upsample?: boolean;
  readonly silu?: boolean;
  readonly skipN?: number;
  readonly normN?: number;
  readonly tembN?: number;
  readonly residualN?: number;
}

/** Inputs of a convolution, laid out like `ConvTensors`; weight: [OC, C1 + C2, K, K]. */
export interface ConvData {
  readonly x: Data;
  readonly skip?: Data | undefined;
  readonly norm?: Data | undefined;
  readonly weight: Data;
  readonly bias: Data;
  /** [tembN, width]; columns from `offset` on are added */
  readonly temb?: { readonly data: Data; readonly width: number; readonly offset: number } | undefined;
  readonly residual?: Data | undefined;
}

/** y [N, OC, OH, OW] in f64, one output at a time; only at the flat indices `points`, if given.
 *  y[o, p] = bias[o] + temb[o] + residual[o, p] + sum_{c, dy, dx} w[o, c, dy, dx] in[c, stride p + (dy, dx) - pad] */
export function convReference(s: ConvCase, d: ConvData, points?: ArrayLike<number>): Float64Array {
  const { n, c1, c2 = 0, oc, h, w, kernel, stride = 1, upsample } = s;
  const [oh, ow] = [outputSize(h, s), outputSize(w, s)];
  const scale = upsample ? 2 : 1;
  const before = kernel === 3 && (s.pad ?? defaultPadding(stride)) === "same" ? 1 : 0;
  const channels = c1 + c2;

  const input = (sample: number, c: number, iy: number, ix: number): number => {
    if (iy < 0 || ix < 0 || iy >= h * scale || ix >= w * scale) return 0;
    const at = Math.floor(iy / scale) * w + Math.floor(ix / scale);
    let v = c < c1 ? d.x[(sample * c1 + c) * h * w + at]! : d.skip![((sample % s.skipN!) * c2 + c - c1) * h * w + at]!;
    if (d.norm) {
      const i = ((sample % s.normN!) * channels + c) * 4;
      v = (v - d.norm[i]!) * d.norm[i + 1]! + d.norm[i + 2]!;
    }
    return s.silu ? silu(v) : v;
  };

  const output = (at: number): number => {
    const [ox, oy] = [at % ow, Math.floor(at / ow) % oh];
    const [o, sample] = [Math.floor(at / (ow * oh)) % oc, Math.floor(at / (ow * oh * oc))];
    let sum = d.bias[o]!;
    if (d.temb) sum += d.temb.data[(sample % s.tembN!) * d.temb.width + d.temb.offset + o]!;
    if (d.residual) sum += d.residual[((sample % s.residualN!) * oc + o) * oh * ow + oy * ow + ox]!;
    for (let c = 0; c < channels; c++)
      for (let ky = 0; ky < kernel; ky++)
        for (let kx = 0; kx < kernel; kx++)
          sum +=
            d.weight[((o * channels + c) * kernel + ky) * kernel + kx]! *
            input(sample, c, oy * stride + ky - before, ox * stride + kx - before);
    return sum;
  };
  return Float64Array.from({ length: points?.length ?? n * oc * oh * ow }, (_, i) => output(points?.[i] ?? i));
}

/** Seeded inputs for a case; weights are scaled so that outputs stay near 1. */
export function convData(s: ConvCase): ConvData {
  const { n, c1, c2 = 0, oc, h, w, kernel } = s;
  const [oh, ow] = [outputSize(h, s), outputSize(w, s)];
  const channels = c1 + c2;
  const size = (channels * kernel * kernel) ** -0.5;
  return {
    x: seeded(1, [n, c1, h, w]),
    skip: c2 ? seeded(2, [s.skipN!, c2, h, w]) : undefined,
    norm: s.normN ? seeded(3, [s.normN, channels, 4]) : undefined,
    weight: seeded(4, [oc, channels, kernel, kernel]).map((v) => v * size),
    bias: seeded(5, [oc]),
    temb: s.tembN ? { data: seeded(6, [s.tembN, oc + 8]), width: oc + 8, offset: 5 } : undefined,
    residual: s.residualN ? seeded(7, [s.residualN, oc, oh, ow]) : undefined,
  };
}

/** Convolution of x [N, C, H, W] with weight [OC, C, K, K], zeros all round. */
export function anyConvReference(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  s: { n: number; c: number; oc: number; h: number; w: number; kernel: number; stride: number; pad: number },
): Float64Array {
  const { n, c, oc, h, w, kernel, stride, pad } = s;
  const side = (size: number) => Math.floor((size + 2 * pad - kernel) / stride) + 1;
  const [oh, ow] = [side(h), side(w)];
  return Float64Array.from({ length: n * oc * oh * ow }, (_, at) => {
    const [j, i] = [at % ow, Math.floor(at / ow) % oh];
    const [o, sample] = [Math.floor(at / (ow * oh)) % oc, Math.floor(at / (ow * oh * oc))];
    let sum = bias[o]!;
    for (let k = 0; k < c; k++)
      for (let a = 0; a < kernel; a++)
        for (let b = 0; b < kernel; b++) {
          const [row, column] = [i * stride + a - pad, j * stride + b - pad];
          if (row < 0 || column < 0 || row >= h || column >= w) continue;
          sum += weight[((o * c + k) * kernel + a) * kernel + b]! * x[((sample * c + k) * h + row) * w + column]!;
        }
    return sum;
  });
}
