import type { PictureShape } from "../model/config";
import type { Solver, Spacing } from "../model/schedule";
import type { SourcePicture } from "./images";
import type { InversionMethod } from "./methods";

/** Model of an inversion, and how it was made. */
export interface InversionInfo {
  /** hash of the network's weights */
  readonly model: string;
  readonly steps: number;
  readonly top: number;
  readonly faithful: boolean;
  /** absent: ddim, evenly spaced in time */
  readonly solver?: Solver;
  readonly spacing?: Spacing;
  /** absent: ddim */
  readonly method?: InversionMethod;
  /** of the noise that edit-friendly inversion drew */
  readonly seed?: number;
  readonly picture: PictureShape;
  /** [C, H, W] */
  readonly h: readonly [number, number, number];
  /** the stored pictures before they were placed; undefined for a tensor */
  readonly sources: readonly (SourcePicture | undefined)[];
  /** tensor after which h was kept */
  readonly tap: string;
}

/** An inversion as far as plans need it: which pictures of which stored batch, and what is stored of them. */
export interface Bank {
  readonly info: InversionInfo;
  /** positions in the stored batch */
  readonly samples: readonly number[];
  /** time steps of which h is stored, ascending */
  readonly times: readonly number[];
  /** whether it is no content but a direction in h, which is added */
  readonly direction?: boolean;
}
