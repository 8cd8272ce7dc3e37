import type { InversionMethod } from "./inject/methods";
import type { MixRule } from "./kernels/step/step-row";
import type { Solver, Spacing } from "./model/schedule";
import type { RunSnapshot } from "./snapshot";

export type { RunSnapshot };

/** A decoded picture: 8-bit RGBA, rows top to bottom. `ImageData` is one. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** Size of the file's picture, where decoding reduced it. Placements are in pixels of that size. */
  readonly full?: { readonly width: number; readonly height: number };
}

/** Values as the network sees them: f32 [3, side, side] in [-1, 1], the model's own size. */
export interface ImageTensor {
  readonly tensor: Float32Array;
}

/** A square of a picture, in pixels of the upright picture; (0, 0) is its top left corner. It may reach beyond the picture,
 *  of which the edge is then repeated. */
export interface Square {
  /** centre */
  readonly x: number;
  readonly y: number;
  /** length of a side */
  readonly size: number;
  /** turned clockwise by so many degrees; default 0 */
  readonly degrees?: number;
}

/** A face by its eyes, in pixels of the upright picture; it is cut out as FFHQ and CelebA-HQ cut faces. */
export interface Eyes {
  /** centres of both eyes, in either order */
  readonly eyes: readonly [x1: number, y1: number, x2: number, y2: number];
  /** centre of the mouth; default: below the eyes at the usual distance, in a face that is turned by less than 90 degrees */
  readonly mouth?: readonly [x: number, y: number];
}

/** Which square of a picture the model sees. */
export type Placement = Square | Eyes;

/** A picture and the square of it that the model sees. */
export interface PlacedImage {
  readonly image: BareImage;
  /** default: the largest centred square */
  readonly placement?: Placement | undefined;
}

/** Every form a picture may come in. Without a placement the model sees its largest centred square. */
export type ImageInput = BareImage | PlacedImage;

/** A picture alone: file bytes (PNG, JPEG, WebP, ...), Blob, decoded pixels, what a canvas can draw, a tensor, and in Node
 *  a path. */
export type BareImage =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | Pixels
  | ImageBitmap
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageTensor;

/** Progress of a run, after each step. */
export interface StepEvent {
  readonly phase: "invert" | "generate";
  /** Steps finished, and steps in all. */
  readonly step: number;
  readonly steps: number;
  /** Time step t of the diffusion just finished. */
  readonly t: number;
  /** Predicted x0 of each sample so far. Reads back from the GPU; only asking costs anything. */
  preview(): Promise<Pixels[]>;
}

/** Options of every run. */
export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Called after every step; a promise that it returns is awaited before the next. */
  readonly onStep?: (event: StepEvent) => void | Promise<void>;
  /** Copies the run's state to the host after every so many steps, for a `DeviceLostError` to carry (its `snapshot`).
   *  Default: never, and nothing is read back from the first step to the last. */
  readonly snapshotEvery?: number;
  /** Called with each snapshot once it is on the host. The last one holds the complete run. */
  readonly onSnapshot?: (snapshot: RunSnapshot) => void;
  /** Resume from this snapshot. All other inputs must be identical to the original run's. */
  readonly resume?: RunSnapshot;
  /** When the device is lost, open it again, upload everything again and continue from the last snapshot (one every 10 steps
   *  unless `snapshotEvery` says otherwise), to the same bits. Only on a device that the engine opened. Inversions and
   *  results are then also kept on the host. Default: as the model was loaded. */
  readonly recover?: boolean;
}

/** Options of an inversion. */
export interface InvertOptions extends RunOptions {
  /** Steps; default: those of the model's own preset (docs/parameters.md), mostly 50. */
  readonly steps?: number;
  /** How the next x is solved for: "ddim", or "dpm++2m", which needs fewer steps; default: the solver of the model's own
   *  preset, "ddim" but for the shipped model. */
  readonly solver?: Solver;
  /** The variable in which time steps are evenly spaced: "time" or "lambda"; default: the solver's, "lambda" for "dpm++2m". */
  readonly spacing?: Spacing;
  /** "ddim" (default): up the equation, by the solver; "bdia" and "edit-friendly" are exact (docs/methods.md). */
  readonly method?: InversionMethod;
  /** Seed of the noise that "edit-friendly" draws, default 0. */
  readonly seed?: number;
  /** Largest time step, default 999. */
  readonly top?: number;
  /** As the official program does it: f32 schedule, no h at the top step. */
  readonly faithful?: boolean;
  /** Tensor whose values are kept at every step; default: the bottleneck h. */
  readonly tap?: string;
  /** Class of every picture, for class-conditional models. */
  readonly labels?: readonly number[];
}

/** Where a content acts; "official" is the region that the official program has built in. */
export type MaskOption = MaskInput | "official";

/** A mixing rule of your own, in WGSL. The text defines
 *  `fn mix_rule(gamma: f32, norm_h: f32, norm_content: f32, cosine: f32) -> vec2f`, the weights (a, b) of
 *  h~ = a h + b h_c, from gamma and the norms and cosine of h and h_c of one picture. */
export interface OwnRule {
  readonly wgsl: string;
}

/** A mask as numbers. */
export interface MaskInput {
  /** Values in [0, 1] on any grid, row-major; resampled to the h grid. */
  readonly values: Float32Array | readonly number[];
  readonly width: number;
  readonly height: number;
}

/** A share of the content: one for all steps, or a function that gives it for each injected step from the step's position,
 *  0 at the first and 1 at the last. */
export type Gamma = number | ((u: number) => number);

/** Parameters of an injection, each with a default and, in a preset, with another (docs/parameters.md). */
export interface InjectParameters {
  /** Share of the content's h, in [0, 1]; above 0.6 the paper advises against. */
  readonly gamma: number;
  /** Injection acts at t >= tEdit. */
  readonly tEdit: number;
  /** Fresh noise (eta 1) at t <= tBoost; 0: never. */
  readonly tBoost: number;
  /** Latent calibration strength in [0, 1]: 1 holds on to the original, 0 injects strongest; "off": no calibration,
   *  which is what the official code means by 0. */
  readonly omega: number | "off";
  /** Whether calibration re-scales P~ to the standard deviation of P. */
  readonly rescale: boolean;
  /** Factor lambda of the direction term at t >= dtEnd; 1: off. */
  readonly dtLambda: number;
  readonly dtEnd: number;
  /** Largest time step, where inversion ends and generation begins (the official t_0): 999. */
  readonly top: number;
  /** Generation steps. */
  readonly steps: number;
  /** Steps of the inversions that `inject` makes of pictures. */
  readonly stepsInversion: number;
  /** How the next x is solved for, in the generation and in the inversions that `inject` makes: "ddim", or "dpm++2m",
   *  which needs fewer steps (docs/methods.md). */
  readonly solver: Solver;
  /** The variable in which time steps are evenly spaced: "time", or "lambda", half the logarithm of the signal-to-noise ratio.
   *  Default: the solver's, "lambda" for "dpm++2m". Inversions have to agree with it. */
  readonly spacing: Spacing;
  /** How the pictures are inverted: "ddim" by solving upwards, or exactly by "bdia" or "edit-friendly" (docs/methods.md). An
   *  exact inversion has as many steps as the generation, whatever `stepsInversion` says. Inversions have to agree with it. */
  readonly method: InversionMethod;
  /** Inject at this many of the steps only (the official content_replace_step): those t that a run of so many steps
   *  would have; the rest are plain, without noise. undefined: at every step. */
  readonly replaceSteps?: number | undefined;
  /** Mixing of h and the content's h, by name or by a rule of your own. */
  readonly rule: MixRule | OwnRule;
  /** Seed of the noise of quality boosting, and of inversions by "edit-friendly". */
  readonly seed: number;
  /** Reproduce the official program exactly, oddities included (docs/faithful.md). */
  readonly faithful: boolean;
}

/** Some parameters of an injection; gamma may be a function. */
export type InjectVariant = {
  readonly [K in keyof InjectParameters]?: (K extends "gamma" ? Gamma : InjectParameters[K]) | undefined;
};
