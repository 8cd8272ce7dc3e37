import { ceilDiv } from "../dispatch";
import type { Dtype, Target } from "./../target";

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
function f16Bits(value: number): number {
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
  if (dtype === "f32") return new Uint8Array(values.buffer);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = f16Bits(values[i]!);
  return new Uint8Array(halves.buffer);
}
