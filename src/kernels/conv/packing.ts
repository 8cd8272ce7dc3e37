import { toHalf } from "../../half";
import { ceilDiv } from "../dispatch";
import { type Dtype, merging, type Target } from "../target";

/** Most bytes of a scratch tensor of a large picture: the rest is done in further chunks. */
const SCRATCH_BYTES = 32 * 2 ** 20;

/** Bytes of a sample's scratch tensor up to which the whole batch is done at once where dispatches are merged: chunks are not
 *  merged, and what is must not depend on the batch. */
export const AT_ONCE_BYTES = 8 * 2 ** 20;

/** Most bytes of a scratch tensor. @param ofSample bytes of one sample's */
export const scratchLimit = (target: Target, ofSample = Number.POSITIVE_INFINITY): number =>
  merging(target) && ofSample <= AT_ONCE_BYTES
    ? target.maxBindingBytes
    : Math.min(SCRATCH_BYTES, target.maxBindingBytes);

/** Work that stops every few milliseconds, so that others have their turn, and returns its result. */
export type Parts<T> = Generator<void, T, void>;

/** Packing in parts: it returns the bytes. */
export type Packing = Parts<Uint8Array<ArrayBuffer>>;

/** Gives room for so many values, for as long as one weight is packed. What lies there already is undefined. */
export type Room = (length: number) => Float32Array<ArrayBuffer>;

/** Values moved or rounded between two stops: 5 to 10 ms. */
const BETWEEN_STOPS = 2 ** 18;

/** Tells at the beginning of each round of a loop that moves `values` values whether it is time to stop. */
export function stops(values: number): () => boolean {
  let moved = -values;
  return () => {
    moved += values;
    if (moved < BETWEEN_STOPS) return false;
    moved = 0;
    return true;
  };
}

/** Rows of K elements as the tiles that a lane of a quad loads whole: [ceil(M / tileM), K / unit, 4 (lane), tileM / 4, unit],
 *  row 4i + lane of a tile at i; rows past M are 0. */
export function* quadTiles(
  rows: Float32Array,
  m: number,
  k: number,
  tileM: number,
  unit: number,
): Parts<Float32Array<ArrayBuffer>> {
  const tiles = ceilDiv(m, tileM);
  const out = new Float32Array(tiles * tileM * k);
  for (let row = 0, stop = stops(k); row < m; row++) {
    if (stop()) yield;
    const within = row % tileM;
    for (let e = 0; e < k; e++) {
      const block = Math.floor(row / tileM) * (k / unit) + Math.floor(e / unit);
      out[((block * 4 + (within % 4)) * (tileM / 4) + (within >> 2)) * unit + (e % unit)] = rows[row * k + e]!;
    }
  }
  return out;
}

/** Packed weights as bytes: f32 as they are, or rounded to f16. */
export function* packed(values: Float32Array<ArrayBuffer>, dtype: Dtype): Packing {
  if (dtype === "f32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const halves = new Uint16Array(values.length);
  for (let at = 0; at < values.length; at += BETWEEN_STOPS) {
    if (at > 0) yield;
    halves.set(toHalf(values.subarray(at, at + BETWEEN_STOPS)), at);
  }
  return new Uint8Array(halves.buffer);
}

/** Runs work in parts to its end. */
export function finished<T>(parts: Parts<T>): T {
  for (;;) {
    const part = parts.next();
    if (part.done) return part.value;
  }
}
