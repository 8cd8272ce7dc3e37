import { ceilDiv, type Dispatch, type Tensor } from "../dispatch";
import type { Dtype, Target } from "../target";
import type { ConvSizes, ConvTensors } from "./io";
import { outputSize, type Padding } from "./output-size";
import type { Packing, Room } from "./packing";

/** A 3x3 or 1x1 convolution, as far as the choice of its variant and the packing of its weights depend on it. */
export interface ConvShape {
  readonly kernel: 1 | 3;
  readonly n: number;
  /** Channels of x, and of the skip joined to it (0: none). */
  readonly c1: number;
  readonly c2: number;
  readonly oc: number;
  /** Size of x. */
  readonly h: number;
  readonly w: number;
  readonly stride: 1 | 2;
  readonly upsample: boolean;
}

/** A convolution of a network, as far as its speed depends on it. */
export interface ConvUse {
  readonly shape: ConvShape;
  readonly weights: Dtype;
  /** Padding of a 3x3. */
  readonly pad: Padding;
  readonly norm: boolean;
  readonly silu: boolean;
}

/** Options of a convolution, all of them given. */
export interface ConvOptions {
  readonly kernel: 1 | 3;
  readonly stride: 1 | 2;
  /** Enlarge the input x2 (nearest) first. */
  readonly upsample: boolean;
  /** SiLU on the input, after `norm`. Padding stays 0. */
  readonly silu: boolean;
  readonly pad: Padding;
}

/** One way to compute a convolution. */
export interface ConvVariant {
  /** Names it in reports, and in the files of the tuner. */
  readonly name: string;
  /** Largest absolute error of outputs near 1, with room for deep sums, from the weights as they are stored. */
  readonly tolerance: (weights: Dtype) => number;
  /** Chosen only where it was measured: its speed varies too much to be estimated. */
  readonly onlyTuned?: boolean;
  /** Whether it can compute the shape, on the target, at the target's precision and type of weights. */
  readonly runs: (shape: ConvShape, target: Target) => boolean;
  /** Estimated time, in a unit that all variants share on one class of adapter. */
  readonly cost: (shape: ConvShape, target: Target) => number;
  /** The tensor of the packed weights. */
  readonly weight: (name: string, shape: ConvShape, target: Target) => Tensor;
  /** Packs weights into the bytes of that tensor, stopping every few milliseconds. The bytes may lie in `room`.
   *  w: [OC, C1 + C2, kernel, kernel] */
  readonly packing: (w: Float32Array, shape: ConvShape, target: Target, room: Room) => Packing;
  /** Packs on the device what `packing` computes for weights in f32, within rounding.   w: f32 [OC, C1 + C2, kernel, kernel] */
  readonly transform?: (w: Tensor, weight: Tensor, shape: ConvShape) => Dispatch;
  /** The dispatches that compute it. The batch may be another than when the weights were packed. */
  readonly dispatches: (io: ConvTensors, sizes: ConvSizes, options: ConvOptions, target: Target) => Dispatch[];
}

/** A shape from the sizes of a case, with the usual defaults. */
export const convShape = (
  s: Pick<ConvShape, "kernel" | "n" | "c1" | "oc" | "h" | "w"> & { c2?: number; stride?: 1 | 2; upsample?: boolean },
): ConvShape => ({
  kernel: s.kernel,
  n: s.n,
  c1: s.c1,
  c2: s.c2 ?? 0,
  oc: s.oc,
  h: s.h,
  w: s.w,
  stride: s.stride ?? 1,
  upsample: s.upsample ?? false,
});

/** Convolutions with equal keys are served by the same variant. */
export const convKey = ({ kernel, n, c1, c2, oc, h, w, stride, upsample }: ConvShape, weights: Dtype): string =>
  `${kernel}x${kernel} ${n}x[${c1}+${c2}]->${oc} ${h}x${w}${stride === 2 ? " stride 2" : ""}${upsample ? " upsample" : ""} ${weights}`;

/** Height and width of the output, padded all round. */
export const outputSides = (s: ConvShape): [oh: number, ow: number] => [
  outputSize(s.h, { ...s, pad: "same" }),
  outputSize(s.w, { ...s, pad: "same" }),
];

/** Multiply-adds that an adapter loses to unused lanes: `count` rounded up to whole units. */
export const whole = (count: number, unit: number): number => ceilDiv(count, unit) * unit;
