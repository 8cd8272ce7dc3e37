import type { InjectParameters, MaskOption, RunOptions } from "../api";
import type { Inversion } from "./inversion";
import type { RunStep } from "./plan-run";

/** One of several contents, each with a share and a region of its own. */
export interface ContentInput {
  readonly inversion: Inversion;
  /** default: the run's gamma */
  readonly gamma?: number;
  /** default: the run's mask */
  readonly mask?: MaskOption;
  /** latent calibration inside its mask; default: the run's omega */
  readonly omega?: number;
}

/** A part of the picture with an omega of its own. */
export interface OmegaRegion {
  readonly mask: MaskOption;
  readonly omega: number;
}

type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined };

export interface InjectOptions extends RunOptions, Optional<InjectParameters> {
  /** Whose x_T generation starts from: colours and texture come from here. */
  readonly original: Inversion;
  /** Whose h is injected: shape and identity come from here. Or several, in `contents`. */
  readonly content?: Inversion;
  readonly contents?: readonly ContentInput[];
  readonly mask?: MaskOption;
  /** Parts of the picture with an omega of their own, each laid over those before it and over the contents'. Masks are
   *  carried to the pixels of x as the picture is. Elsewhere the run's omega holds, or 1 (hold the original) where that
   *  is "off": a picture is calibrated as a whole or not at all. */
  readonly omegaRegions?: readonly OmegaRegion[];
  /** Parameters to start from: quick, paper, faces, afhq, artistic. */
  readonly preset?: string;
  /** Every pair is generated once with each of these, in one batch: sweeps of gamma, omega, tEdit, rule. */
  readonly variants?: readonly Optional<InjectParameters>[];
  /** Tensor after which the contents are mixed in; default: the tap of the inversions. */
  readonly tap?: string;
  readonly labels?: readonly number[];
  /** Noise to use instead of the generator's, f32 [N, 3, side, side] for step k; for reproducing recorded runs. */
  readonly noise?: (step: number) => Float32Array | undefined;
  /** Edits the run step by step before it starts: gamma schedules and the like. */
  readonly mutate?: (plan: readonly RunStep[]) => RunStep[];
}

export interface SampleOptions extends RunOptions {
  readonly count?: number;
  readonly seed?: number;
  /** Number of the first sample: sample n of a seed is the same in any batch. */
  readonly first?: number;
  readonly steps?: number;
  /** Time steps to use instead of evenly spaced ones. */
  readonly times?: readonly number[];
  /** Share of fresh noise: 0 DDIM, 1 ancestral. */
  readonly eta?: number;
  readonly labels?: readonly number[];
}
