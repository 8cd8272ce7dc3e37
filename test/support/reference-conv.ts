import type { Data } from "./device";

/** What a convolution reads, as arrays and sizes: the slow and obvious counterpart of `ConvTensors`. */
export interface ConvCase {
  readonly n: number;
  readonly c1: number;
  readonly c2?: number;
  readonly oc: number;
  readonly h: number;
  readonly w: number;
  readonly kernel: 1 | 3;
  readonly stride?: 1 | 2;
  readonly pad?: "same" | "asymmetric";
  readonly upsample?: boolean;
  readonly silu?: boolean;
  readonly skipN?: number;
  readonly normN?: number;
  readonly tembN?: number;
  readonly residualN?: number;
}

export interface ConvData {
  readonly x: Data;
  readonly skip?: Data | undefined;
  readonly norm?: Data | undefined;
  readonly weight: Data;
  readonly bias: Data;
  /** [tembN, width], with the columns that count from `tembOffset` on */
  readonly temb?: { readonly data: Data; readonly width: number; readonly offset: number } | undefined;
  readonly residual?: Data | undefined;
}

export function outputSize(size: number, { kernel, stride = 1, pad, upsample }: ConvCase): number {
  if (kernel === 1) return size;
  const both = (pad ?? (stride === 2 ? "asymmetric" : "same")) === "same";
  return Math.floor((size * (upsample ? 2 : 1) + (both ? 2 : 1) - 3) / stride) + 1;
}

/** y [N, OC, OH, OW] in f64, one output at a time; only at the flat indices `points`, if given. */
export function convReference(s: ConvCase, d: ConvData, points?: ArrayLike<number>): Float64Array {
  const { n, c1, c2 = 0, oc, h, w, kernel, stride = 1, upsample } = s;
  const [oh, ow] = [outputSize(h, s), outputSize(w, s)];
  const scale = upsample ? 2 : 1;
  const before = kernel === 1 || (s.pad ?? (stride === 2 ? "asymmetric" : "same")) === "asymmetric" ? 0 : 1;
  const channels = c1 + c2;

  const input = (sample: number, c: number, iy: number, ix: number): number => {
    if (iy < 0 || ix < 0 || iy >= h * scale || ix >= w * scale) return 0;
    const at = Math.floor(iy / scale) * w + Math.floor(ix / scale);
    let v = c < c1 ? d.x[(sample * c1 + c) * h * w + at]! : d.skip![((sample % s.skipN!) * c2 + c - c1) * h * w + at]!;
    if (d.norm) {
      const i = ((sample % s.normN!) * channels + c) * 4;
      v = (v - d.norm[i]!) * d.norm[i + 1]! + d.norm[i + 2]!;
    }
    return s.silu ? v / (1 + Math.exp(-v)) : v;
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
