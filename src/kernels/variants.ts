import type { Conv1x1Variant } from "./conv1x1";
import type { ConvVariant } from "./conv3x3";
import { ceilDiv } from "./dispatch";

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
  /** What subgroup matrices (tensor cores) can multiply, where the device has the feature
   *  `chromium-experimental-subgroup-matrix`; and whether shaders may use f16. */
  readonly matrices?: { readonly configs: readonly MatrixConfig[]; readonly maxLanes: number; readonly f16: boolean };
  /** Variants that were measured here and are used instead of the heuristic's, by `convKey`. */
  readonly tuned?: { readonly conv3x3: TunedVariants<ConvVariant>; readonly conv1x1: TunedVariants<Conv1x1Variant> };
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

/** Convolutions with equal keys are served by the same variant. */
export const convKey = ({ n, c1, c2, oc, h, w, stride, upsample }: ConvShape, weights: Dtype): string =>
  `${n}x[${c1}+${c2}]->${oc} ${h}x${w}${stride === 2 ? " stride 2" : ""}${upsample ? " upsample" : ""} ${weights}`;

/** Scratch tensors stay below this, so that big pictures are done in chunks. */
const SCRATCH_BYTES = 32 * 2 ** 20;

export const scratchLimit = (target: Target): number => Math.min(SCRATCH_BYTES, target.maxBindingBytes);

/** Sums that a lane of a quad keeps. On the software adapter a loop runs at twice the speed while its machine code, about
 *  350 bytes for a load and 30 for a multiply-add, fits the instruction cache: 16 x 4 by K = 4 does, 32 x 4 does not. */
export const REGISTER_TILE = 64;

/** Tile height for `rows` rows: the multiple of `unit`, about `most` at most, that pads least. */
export function tileHeight(rows: number, most: number, unit = 4): number {
  const tiles = ceilDiv(rows, most);
  return ceilDiv(ceilDiv(rows, tiles), unit) * unit;
}

/** Rows of K elements as the tiles that a lane of a quad loads whole: [ceil(M / tileM), K / unit, 4 (lane), tileM / 4, unit],
 *  row 4i + lane of a tile at i; rows past M are 0. */
export function quadTiles(
  rows: Float32Array,
  m: number,
  k: number,
  tileM: number,
  unit: number,
): Float32Array<ArrayBuffer> {
  const tiles = ceilDiv(m, tileM);
  const out = new Float32Array(tiles * tileM * k);
  for (let row = 0; row < m; row++) {
    const within = row % tileM;
    for (let e = 0; e < k; e++) {
      const block = Math.floor(row / tileM) * (k / unit) + Math.floor(e / unit);
      out[((block * 4 + (within % 4)) * (tileM / 4) + (within >> 2)) * unit + (e % unit)] = rows[row * k + e]!;
    }
  }
  return out;
}

/** f32 to f16 bits, rounded to nearest even. */
export function f16Bits(value: number): number {
  f32View[0] = value;
  const bits = u32View[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00); // overflow, infinity, NaN
  if (magnitude < 0x38800000) {
    // Below the normal range: let the f32 adder round to a multiple of 2^-24.
    f32View[0] = Math.abs(value) + 0.5;
    return sign | (u32View[0]! - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}
const f32View = new Float32Array(1);
const u32View = new Uint32Array(f32View.buffer);

/** Packed weights as bytes: f32 as they are, or rounded to f16. */
export function packed(values: Float32Array<ArrayBuffer>, dtype: Dtype): Uint8Array<ArrayBuffer> {
  return new Uint8Array((dtype === "f32" ? values : Uint16Array.from(values, f16Bits)).buffer);
}
