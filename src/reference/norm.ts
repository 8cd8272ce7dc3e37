import { type Numbers, type Shape4, sample, sum } from "./numbers";
import { silu } from "./pointwise";

export interface GroupNormOptions {
  readonly groups: number;
  readonly eps: number;
  readonly silu?: boolean;
  /** [samples, columns], and the first column of the scale */
  readonly film?: { readonly data: Numbers; readonly samples: number; readonly offset: number };
}

/** Group normalisation of x [N, C, H, W].   Wu & He 2018; ADM's FiLM, then SiLU, if asked for */
export function groupNorm(x: Numbers, gamma: Numbers, beta: Numbers, shape: Shape4, o: GroupNormOptions): Float64Array {
  const [, c, h, w] = shape;
  const inGroup = (c / o.groups) * h * w;
  const y = new Float64Array(x.length);
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

/** (scale, offset) of every channel: normalising and gamma, beta turn v into v * scale + offset. */
export function groupNormRows(
  x: Numbers,
  gamma: Numbers,
  beta: Numbers,
  [n, c, h, w]: Shape4,
  { groups, eps }: Pick<GroupNormOptions, "groups" | "eps">,
): number[] {
  const inGroup = (c / groups) * h * w;
  return Array.from({ length: n * c }, (_, row) => {
    const first = Math.floor((row * h * w) / inGroup) * inGroup;
    const values = Array.from({ length: inGroup }, (_, i) => x[first + i]!);
    const mean = sum(values) / inGroup;
    const scale = gamma[row % c]! / Math.sqrt(sum(values.map((v) => (v - mean) ** 2)) / inGroup + eps);
    return [scale, beta[row % c]! - mean * scale];
  }).flat();
}

export interface ChannelNormReference {
  readonly kind: "rms" | "layer";
  readonly eps?: number;
  readonly silu?: boolean;
  /** as in `GroupNormOptions` */
  readonly film?: GroupNormOptions["film"];
  /** [samples, C, H, W], added at the end */
  readonly residual?: { readonly data: Numbers; readonly samples: number };
}

/** Normalisation over the channels of each pixel of x [N, C, H, W].   Zhang & Sennrich 2019 (rms), Ba et al. 2016 (layer) */
export function channelNorm(x: Numbers, gamma: Numbers, [n, c, h, w]: Shape4, o: ChannelNormReference): Float64Array {
  const plane = h * w;
  const y = new Float64Array(x.length);
  for (let i = 0; i < n; i++) {
    const film = o.film && sample(o.film.data, o.film.samples, i);
    const residual = o.residual && sample(o.residual.data, o.residual.samples, i);
    for (let pixel = 0; pixel < plane; pixel++) {
      const values = Array.from({ length: c }, (_, k) => x[(i * c + k) * plane + pixel]!);
      const mean = o.kind === "layer" ? sum(values) / c : 0;
      const squares = sum(values.map((v) => (v - mean) ** 2));
      const factor =
        o.kind === "layer"
          ? 1 / Math.sqrt(squares / c + (o.eps ?? 1e-5))
          : Math.sqrt(c) / Math.max(Math.sqrt(squares), 1e-12);
      values.forEach((v, k) => {
        const at = (o.film?.offset ?? 0) + k;
        const normal = (v - mean) * factor * gamma[k]!;
        const z = film ? normal * (1 + film[at]!) + film[at + c]! : normal;
        y[(i * c + k) * plane + pixel] = (o.silu ? silu(z) : z) + (residual?.[k * plane + pixel] ?? 0);
      });
    }
  }
  return y;
}
