import { toHalf } from "../../half";
import { ceilDiv } from "../dispatch";
import type { Dtype, Target } from "../target";

/** Most bytes of a scratch tensor: larger pictures are done in chunks. */
const SCRATCH_BYTES = 32 * 2 ** 20;

export const scratchLimit = (target: Target): number => Math.min(SCRATCH_BYTES, target.maxBindingBytes);

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

/** Packed weights as bytes: f32 as they are, or rounded to f16. */
export function packed(values: Float32Array<ArrayBuffer>, dtype: Dtype): Uint8Array<ArrayBuffer> {
  return new Uint8Array((dtype === "f32" ? values : toHalf(values)).buffer);
}
