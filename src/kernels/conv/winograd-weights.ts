import { ceilDiv, type Dispatch, grid1d, read, type Tensor, write } from "../dispatch";
import { placeInUnits, stationaryDepth, stationaryUnit } from "../product/stationary";
import type { Dtype } from "../target";
import { type Packing, packed, type Room } from "./packing";
import type { ConvShape } from "./variant";

/** What the weights of a Winograd convolution F(m x m, 3 x 3) depend on. */
export interface WinogradDomain {
  /** Output pixels along a tile's side: 4 (36 products for 16 pixels) or 2 (16 for 4, ten times as exact). */
  readonly m: 2 | 4;
  /** 2 for convolutions of stride 2, by parts of equal parity (25 products for 4 pixels instead of 36); m is then 2.
   *  Huang et al. 2020, arXiv:2002.00552 */
  readonly stride: 1 | 2;
  /** stationary, quad: shaders/product/<product>.wgsl, for software adapters with subgroups; any: for those without; tile:
   *  shaders/product/tile.wgsl or sliced.wgsl, for GPUs. */
  readonly product: "stationary" | "quad" | "any" | "tile";
}

/** A domain, and whether its third position along each side is left out: where the input is enlarged x2, pixels come in pairs,
 *  d = (a, b, b, c, c, d) or (a, b, b, c), and B^T d is 0 there. So there are 25 products instead of 36, or 9 instead of 16. */
export interface WinogradPositions extends WinogradDomain {
  readonly doubled: boolean;
}

/** The positions for a shape. f16 has other points, at which none is 0 with m = 4. GPUs keep all: no device has timed fewer,
 *  and each step graph would need pipelines of its own for them. */
export const positionsOf = (
  v: WinogradDomain,
  { upsample }: Pick<ConvShape, "upsample">,
  weights: Dtype,
): WinogradPositions => ({
  ...v,
  doubled: upsample && v.stride === 1 && v.product !== "tile" && (v.m === 2 || weights === "f32"),
});

/** Values of many filters, and where they begin. */
interface Column {
  readonly from: Float32Array | Float64Array;
  readonly at: number;
}

/** Writes G (a, b, c)^T, lines of three taps in the transform domain, for `count` filters side by side, to places `step` apart.
 *  Terms that rows of G share are computed once: this takes most of the time of loading. */
type TransformLines = (a: Column, b: Column, c: Column, to: Column, step: number, count: number) => void;

/** F(2,3): (1, 0, 0), (1, 1, 1) / 2, (1, -1, 1) / 2, (0, 0, 1)
 *  @param scale 1/2; 1/4 for f16, so that no sum is larger than the taps */
const linesOf2 =
  (scale: number): TransformLines =>
  (a, b, c, { from: to, at }, step, count) => {
    for (let e = 0; e < count; e++) {
      const va = a.from[a.at + e]!;
      const vc = c.from[c.at + e]!;
      const p = va * scale;
      const q = b.from[b.at + e]! * scale;
      const r = vc * scale;
      to[at + e] = va;
      to[at + e + step] = p + q + r;
      to[at + e + 2 * step] = p - q + r;
      to[at + e + 3 * step] = vc;
    }
  };

/** F(4,3): (1, 0, 0) / 4, -(1, 1, 1) / 6, -(1, -1, 1) / 6, (1, 2, 4) / 24, (1, -2, 4) / 24, (0, 0, 1) */
const linesOf4: TransformLines = (a, b, c, { from: to, at }, step, count) => {
  for (let e = 0; e < count; e++) {
    const va = a.from[a.at + e]!;
    const vb = b.from[b.at + e]!;
    const vc = c.from[c.at + e]!;
    const p = va * (1 / 6);
    const q = vb * (1 / 6);
    const r = vc * (1 / 6);
    const u = va * (1 / 24);
    const v = vb * (1 / 12);
    to[at + e] = va / 4;
    to[at + e + step] = -p - q - r;
    to[at + e + 2 * step] = q - p - r;
    to[at + e + 3 * step] = u + v + r;
    to[at + e + 4 * step] = u - v + r;
    to[at + e + 5 * step] = vc;
  }
};

/** F(4,3) for f16, at 0, +-2/3, +-3/2 and infinity: (1, 0, 0), -(81, +-54, 36) / 260, (8, +-12, 18) / 65, (0, 0, 1).
 *  No sum is larger than the taps, and none is much smaller.   shaders/lib/winograd_back.wgsl */
const narrowLinesOf4: TransformLines = (a, b, c, { from: to, at }, step, count) => {
  for (let e = 0; e < count; e++) {
    const va = a.from[a.at + e]!;
    const vb = b.from[b.at + e]!;
    const vc = c.from[c.at + e]!;
    const p = (81 * va + 36 * vc) / 260;
    const q = (54 * vb) / 260;
    const r = (8 * va + 18 * vc) / 65;
    const s = (12 * vb) / 65;
    to[at + e] = va;
    to[at + e + step] = -p - q;
    to[at + e + 2 * step] = q - p;
    to[at + e + 3 * step] = r + s;
    to[at + e + 4 * step] = r - s;
    to[at + e + 5 * step] = vc;
  }
};

/** Stride 2: outputs y[0], y[1] take the even taps from samples 0, 2, 4 by F(2, 2), and the odd one from samples 1, 3 as it
 *  is.   Huang et al. 2020, arXiv:2002.00552
 *  @param scale 1; 1/2 for f16, so that no sum is larger than the taps */
const linesOfStride2 =
  (scale: number): TransformLines =>
  (a, b, c, { from: to, at }, step, count) => {
    for (let e = 0; e < count; e++) {
      const va = a.from[a.at + e]!;
      const vb = b.from[b.at + e]!;
      const vc = c.from[c.at + e]!;
      to[at + e] = va;
      to[at + e + step] = (va + vc) * scale;
      to[at + e + 2 * step] = vc;
      to[at + e + 3 * step] = vb;
      to[at + e + 4 * step] = vb;
    }
  };

function linesOf({ m, stride }: WinogradDomain, weights: Dtype): TransformLines {
  const narrow = weights === "f16";
  if (stride === 2) return linesOfStride2(narrow ? 1 / 2 : 1);
  if (m === 2) return linesOf2(narrow ? 1 / 4 : 1 / 2);
  return narrow ? narrowLinesOf4 : linesOf4;
}

/** Input samples along a tile's side. */
const samplesOf = ({ m, stride }: WinogradDomain): number => (m - 1) * stride + 3;

/** Positions of the transform along a tile's side. */
export const sideOf = (v: WinogradPositions): number => samplesOf(v) - Number(v.doubled);

/** Channels rounded up to what the multiplication takes in one step. */
export const depthOf = (channels: number, { product }: WinogradDomain): number =>
  product === "stationary" ? stationaryDepth(channels) : ceilDiv(channels, 4) * 4;

/** U = G w G^T: [side^2, OC, K], in units of K for product/stationary, or [side^2, K, OC] for product/tile.   w: OIHW
 *  @param weights the type to which they are rounded afterwards
 *
 *  In blocks that lie together at every position of the transform, each copied whole: values written one by one would go to
 *  side^2 places a megabyte apart, and take five to eight times as long. */
export function* packWinograd(
  w: Float32Array,
  { c1, c2, oc }: ConvShape,
  v: WinogradPositions,
  weights: Dtype,
  room: Room,
): Packing {
  const ic = c1 + c2;
  const order = filterOrder(oc, ic, v, room);
  const u = room(sideOf(v) ** 2 * order.length);
  const transform = blockTransform(w, order, u, v, linesOf(v, weights));
  for (let start = 0, n = 1; start < order.length; start += BLOCK, n++) {
    transform(start);
    if (n % BLOCKS_BETWEEN_STOPS === 0) yield;
  }
  return yield* packed(u, weights);
}

/** Transforms the block of filters that begins at `start`, into u. */
function blockTransform(
  w: Float32Array,
  order: Float32Array,
  u: Float32Array,
  v: WinogradPositions,
  lines: TransformLines,
): (start: number) => void {
  const side = samplesOf(v);
  const kept = Array.from({ length: side * side }, (_, z) => z).filter(
    (z) => !v.doubled || (z % side !== 2 && Math.floor(z / side) !== 2),
  );
  const step = BLOCK + 16; // off the power of two, or all positions share a few lines of the cache
  const taps = new Float64Array(9 * step);
  const rows = new Float64Array(3 * side * step);
  const block = new Float32Array(side * side * step);
  const column = (from: Float32Array | Float64Array, i: number): Column => ({ from, at: i * step });
  return (start) => {
    const length = Math.min(BLOCK, order.length - start);
    for (let e = 0; e < length; e++) {
      const at = 9 * (order[start + e]! - 1);
      for (let t = 0; t < 9; t++) taps[t * step + e] = at < 0 ? 0 : w[at + t]!;
    }
    for (let x = 0; x < 3; x++)
      lines(column(taps, x), column(taps, x + 3), column(taps, x + 6), column(rows, x), 3 * step, length);
    for (let i = 0; i < side; i++) {
      const [a, b, c] = [0, 1, 2].map((x) => column(rows, 3 * i + x)) as [Column, Column, Column];
      lines(a, b, c, column(block, i * side), step, length);
    }
    for (const [i, z] of kept.entries()) u.set(block.subarray(z * step, z * step + length), i * order.length + start);
  };
}

/** Filters of one block of `winogradWeights`. */
const BLOCK = 512;

/** Blocks between two stops: about 8 ms. */
const BLOCKS_BETWEEN_STOPS = 32;

/** Which filter (o * IC + c) lies at each place of a position's weights, counted from 1; 0 pads. f32 counts to 2^24. */
function filterOrder(oc: number, ic: number, v: WinogradDomain, room: Room): Float32Array {
  const k = depthOf(ic, v);
  const rows = rowsOf(oc, v);
  const order = room(rows * k).fill(0);
  const place = placeInUnits(rows, unitOf(k, v));
  for (let o = 0; o < oc; o++) for (let c = 0; c < ic; c++) order[place(o, c)] = o * ic + c + 1;
  return order;
}

/** Channels whose weights for an output channel lie together, of `k`. */
function unitOf(k: number, { product }: WinogradDomain): number {
  if (product === "stationary") return stationaryUnit(k);
  return product === "tile" ? 1 : k;
}

/** Output channels, padded to fours for product/tile. */
export const rowsOf = (oc: number, { product }: WinogradDomain): number =>
  product === "tile" ? ceilDiv(oc, 4) * 4 : oc;

/** The transform of filters as a dispatch, for weights in f32. It computes in f32 what `packWinograd` computes in f64.
 *  @param w f32 [OC, C1 + C2, 3, 3] @param u the packed weights */
export function transformFilters(w: Tensor, u: Tensor, { c1, c2, oc }: ConvShape, v: WinogradPositions): Dispatch {
  const k = depthOf(c1 + c2, v);
  const rows = rowsOf(oc, v);
  return {
    label: `${u.name}/transform`,
    shader: "conv/winograd_filter",
    constants: {
      M: v.m,
      STRIDE: v.stride,
      DOUBLED: Number(v.doubled),
      OC: oc,
      IC: c1 + c2,
      ROWS: rows,
      K: k,
      UNIT: unitOf(k, v),
    },
    bindings: [read(w), write(u)],
    workgroups: grid1d(ceilDiv(rows * k, 64)),
  };
}
