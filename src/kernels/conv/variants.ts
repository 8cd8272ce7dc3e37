import type { Tile } from "../product/tiles";
import type { Padding } from "./output-size";

// Plain data: what the choice of a kernel variant may depend on, and the variants.

/** Type of stored weights; arithmetic is f32 always. */
export type Dtype = "f32" | "f16";

/** What the choice of a variant may depend on. */
export interface Target {
  readonly adapterClass: "software" | "gpu";
  /** The device has the feature `subgroups` (and, as every adapter known to us, subgroups of at least 4 lanes). */
  readonly subgroups: boolean;
  /** fast: Winograd F(4,3) where it wins, 2e-5 off; exact: direct or F(2,3), 1e-6 off. */
  readonly precision: "fast" | "exact";
  readonly weights: Dtype;
  readonly maxBindingBytes: number;
  /** Lanes that a workgroup may have; 256, which every device allows, where absent. */
  readonly maxLanes?: number;
  /** What subgroup matrices (tensor cores) can multiply, where the device has the feature
   *  `chromium-experimental-subgroup-matrix`. */
  readonly matrices?: Matrices;
  /** Variants that were measured here and are used instead of the heuristic's, by `convKey`. */
  readonly tuned?: { readonly conv3x3: TunedVariants<ConvVariant>; readonly conv1x1: TunedVariants<Conv1x1Variant> };
}

export interface Matrices {
  readonly configs: readonly MatrixConfig[];
  /** Lanes of the largest subgroup. */
  readonly maxLanes: number;
  /** Shaders may use f16. */
  readonly f16: boolean;
  /** Workgroup memory. */
  readonly workgroupBytes: number;
}

export type TunedVariants<V> = Readonly<Record<string, V>>;

/** Shape and operands of a subgroup matrix product with f32 sums: [M, K] times [K, N]. */
export interface MatrixConfig {
  readonly component: "f32" | "f16";
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** A 3x3 or 1x1 convolution as the choice of its variant sees it. */
export interface ConvShape {
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
  readonly kernel: 1 | 3;
  readonly shape: ConvShape;
  readonly weights: Dtype;
  /** Padding of a 3x3. */
  readonly pad: Padding;
  readonly norm: boolean;
  readonly silu: boolean;
}

/** Convolutions with equal keys are served by the same variant. */
export const convKey = ({ n, c1, c2, oc, h, w, stride, upsample }: ConvShape, weights: Dtype): string =>
  `${n}x[${c1}+${c2}]->${oc} ${h}x${w}${stride === 2 ? " stride 2" : ""}${upsample ? " upsample" : ""} ${weights}`;

/** Direct convolution, one dispatch: any size, stride and padding. */
export interface DirectVariant {
  readonly kind: "direct";
  readonly weights: Dtype;
  readonly subgroups: boolean;
  /** Output channels and rows of a register tile. Channels: a multiple of 4 with subgroups; twice that, or even without,
   *  where weights are f16. */
  readonly tileM: number;
  readonly tileY: number;
}

/** How a 3x3 convolution is computed, and so how its weights are packed. Plain data. */
export type ConvVariant = DirectVariant | TileVariant | WinogradVariant;

/** How a 1x1 convolution is computed, and so how its weights are packed. Plain data.
 *  quad: shaders/conv/direct_1x1_quad.wgsl, for pixels in fours and a device with subgroups; any: shaders/conv/direct_1x1.wgsl. */
export type Conv1x1Variant = StationaryVariant | RowsVariant | TileVariant;

/** shaders/conv/stationary.wgsl, for a software adapter with subgroups and pixels in eights. */
export interface StationaryVariant {
  readonly kind: "stationary";
  readonly weights: Dtype;
}

export interface RowsVariant {
  readonly kind: "quad" | "any";
  readonly weights: Dtype;
  readonly tileM: number;
}

/** Matrix product for GPUs: implicit, in workgroup memory (shaders/conv/tile.wgsl), or of a 1x1 convolution too small to fill
 *  one (shaders/conv/sliced.wgsl). */
export interface TileVariant {
  readonly kind: "tile";
  readonly weights: Dtype;
  /** Output channels and pixels of a workgroup; the weights do not depend on it. Where absent, it suits the sizes. */
  readonly tile?: Tile;
  /** Into so many parts the input channels are shared out among workgroups, and a second dispatch adds the parts. Where
   *  absent, as many as it takes to keep a GPU busy. */
  readonly splits?: number;
  /** Its products are taken by subgroup matrices. shaders/conv/matrix.wgsl */
  readonly matrix?: MatrixTile;
  /** The target's. */
  readonly maxLanes?: number;
}

/** How the workgroups of shaders/conv/matrix.wgsl share their tile: matrices of M x N and K deep, `rows` x `columns` of
 *  them to each of `subgroups` subgroups, `across` of which stand side by side; `depth` channels a step. */
export interface MatrixTile extends MatrixConfig {
  readonly depth: 16 | 32;
  readonly subgroups: number;
  readonly across: number;
  readonly rows: number;
  readonly columns: number;
}

/** Winograd convolution F(m x m, 3 x 3) in three dispatches: transform the input tiles, multiply in the transform domain,
 *  transform the sums back.   Lavin & Gray 2016, arXiv:1509.09308 */
export type WinogradVariant = {
  readonly kind: "winograd";
  /** Output pixels along a tile's side: 4 (36 products for 16 pixels) or 2 (16 for 4, ten times as exact). */
  readonly m: 2 | 4;
  /** 2 for convolutions of stride 2, by parts of equal parity (25 products for 4 pixels instead of 36); m is then 2.
   *  Huang et al. 2020, arXiv:2002.00552 */
  readonly stride?: 2;
  /** f32 only: F(4,3) divides a filter by up to 24 and multiplies its sums by up to 8, and f16 would be 1e-2 off. */
  readonly weights: "f32";
  /** Most tiles of the input that a lane transforms side by side: 1, 2 or 4. */
  readonly tiles: number;
  /** Scratch tensors stay below this. */
  readonly scratchBytes: number;
} & (StationaryProduct | RowsProduct | TileProduct);

/** shaders/product/stationary.wgsl, for a software adapter with subgroups. */
export interface StationaryProduct {
  readonly product: "stationary";
}

/** quad: shaders/product/quad.wgsl, for a device with subgroups; any: shaders/product/any.wgsl. */
export interface RowsProduct {
  readonly product: "quad" | "any";
}

/** shaders/product/tile.wgsl or gemm_sliced.wgsl, for GPUs. */
export interface TileProduct {
  readonly product: "tile";
  /** Output tile of a workgroup; where absent, it suits the sizes. */
  readonly tile?: Tile;
  /** The target's. */
  readonly maxLanes?: number;
}

/** "partials": lanes sum parts of a channel, a second dispatch merges them; "quad": four lanes sum a whole group, in one
 *  dispatch, for planes of a multiple of 16 elements; "group": a workgroup does, for GPUs and planes of a multiple of 4. */
export type GroupNormVariant = "partials" | "quad" | "group";
