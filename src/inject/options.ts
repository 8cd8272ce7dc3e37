import type { Gamma, ImageInput, InjectVariant, MaskOption, RunOptions } from "../api";
import type { Solver } from "../model/schedule";
import type { Directions } from "./directions";
import type { Inversion } from "./inversion";
import type { PresetName } from "./parameters";

/** One of several contents, each with a share and a region of its own. */
export interface ContentInput {
  /** an inversion, or a picture to invert */
  readonly inversion: Inversion | ImageInput;
  /** default: the run's gamma */
  readonly gamma?: Gamma;
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

/** An inversion, or what is inverted before the run: a picture, or several as a batch. */
export type InvertibleInput = Inversion | ImageInput | readonly ImageInput[];

/** A direction in h that is added at every injected step, beside contents or alone. */
export interface DirectionInput {
  /** what `model.loadDirections` gave */
  readonly of: Directions;
  /** which of them, from 0; default 0 */
  readonly component?: number;
  /** how far, either way: 1 is the difference of the means, or one standard deviation of a component */
  readonly scale: number;
  /** whether h keeps its norm, as Slerp keeps it; default true */
  readonly keepNorm?: boolean;
  /** default: the run's mask */
  readonly mask?: MaskOption;
}

export interface InjectOptions extends RunOptions, InjectVariant {
  /** Picture or inversion that generation starts from: colours and texture come from here. */
  readonly original: InvertibleInput;
  /** Picture or inversion whose h is injected: shape and identity come from here. Or several, in `contents`. */
  readonly content?: InvertibleInput;
  readonly contents?: readonly (ContentInput | Inversion | ImageInput)[];
  readonly mask?: MaskOption;
  /** Parts of the picture with an omega of their own, each laid over those before it and over the contents'. Masks are
   *  carried to the pixels of x as the picture is. Elsewhere the run's omega holds, or 1 (hold the original) where that
   *  is "off": a picture is calibrated as a whole or not at all. */
  readonly omegaRegions?: readonly OmegaRegion[];
  /** Directions in h, added after the contents. With these `content` may be left out. */
  readonly directions?: readonly DirectionInput[];
  /** Parameters to start from; default: those that suit the model. */
  readonly preset?: PresetName;
  /** Every pair is generated once with each of these, in one batch: sweeps of gamma, omega, tEdit, rule. */
  readonly variants?: readonly InjectVariant[];
  /** Tensor after which the contents are mixed in; default: the tap of the inversions. */
  readonly tap?: string;
  /** Class of every picture generated, for class-conditional models. */
  readonly labels?: readonly number[];
}

/** Options of a reconstruction. */
export interface ReconstructOptions extends RunOptions {
  /** default: as many as the inversion has */
  readonly steps?: number;
  /** default: that of the inversion */
  readonly solver?: Solver;
  readonly faithful?: boolean;
  readonly labels?: readonly number[];
}

/** Options of sampling from noise. */
export interface SampleOptions extends RunOptions {
  readonly count?: number;
  readonly seed?: number;
  /** Number of the first sample: sample n of a seed is the same in any batch. */
  readonly first?: number;
  readonly steps?: number;
  /** Share of fresh noise: 0 DDIM, 1 ancestral. */
  readonly eta?: number;
  /** "ddim" (default), or "dpm++2m": fewer steps. With eta it solves the stochastic equation. */
  readonly solver?: Solver;
  readonly labels?: readonly number[];
}
