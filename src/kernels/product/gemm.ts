import { type Binding, ceilDiv, type Dispatch, grid1d, read, type Tensor, write } from "../dispatch";
import type { Target } from "../target";
import { evenTile, inOnePass, type StationaryTile, stationaryTasks, suitsStationary } from "./stationary";
import {
  chooseGemmTile,
  REGISTER_TILE,
  slicedConstants,
  type Tile,
  tileConstants,
  tileHeight,
  workgroupsOf,
} from "./tiles";

/** Where the operand of batch (outer, inner) starts, in elements. */
export interface Strides {
  readonly start: number;
  readonly outer: number;
  readonly inner: number;
}

/** c[z] = a[z] b[z].   a: f32, or pairs of f16 in words for `gemmAny` and `gemmTile`, [m, k] or, with `aColumns`, [k, m]; b: f32 [k, n]; c: f32 [batches, m, n]. */
export interface GemmShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: number;
  /** Batches of the inner index: batch z is (z / inner, z % inner). */
  readonly inner: number;
  readonly a: Strides;
  readonly b: Strides;
  /** A is stored [K, M]. */
  readonly aColumns: boolean;
}

type Operands = readonly [a: Binding, b: Binding, c: Binding];

const sizes = ({ m, n, k, batches, inner, a, b, aColumns }: GemmShape, unitA: number, unitB: number) => ({
  M: m,
  N: n,
  K: k,
  BATCHES: batches,
  INNER: inner,
  A_START: a.start / unitA,
  A_OUTER: a.outer / unitA,
  A_INNER: a.inner / unitA,
  B_START: b.start / unitB,
  B_OUTER: b.outer / unitB,
  B_INNER: b.inner / unitB,
  A_COLUMNS: Number(aColumns),
});

/** What tells the shaders that A is weights in f16: words of pairs. Activations in f16 are no words (src/wgsl/halves.ts). */
const pairs = ([{ tensor }]: Operands, types: Readonly<Record<string, string>>) =>
  tensor.dtype === "u32" ? { PER_WORD: 2, ...types } : {};

/** The product of any sizes, without subgroups.   shaders/product/any.wgsl */
export function gemmAny(label: string, bindings: Operands, s: GemmShape): Dispatch {
  const tileM = Math.min(8, s.m);
  const tileN = Math.min(4, s.n);
  const tiles = ceilDiv(s.m, tileM) * ceilDiv(s.n, tileN) * s.batches;
  return {
    label,
    shader: "product/any",
    constants: { ...sizes(s, 1, 1), ...pairs(bindings, { Left: "u32" }), TILE_M: tileM, TILE_N: tileN },
    bindings,
    workgroups: grid1d(ceilDiv(tiles, 64)),
  };
}

/** The product on a GPU. n, k and the strides are multiples of 4, and so is m where A is stored in columns.
 *  shaders/product/sliced.wgsl for a tile with slices, else shaders/product/tile.wgsl */
export function gemmTile(label: string, bindings: Operands, s: GemmShape, tile: Tile): Dispatch {
  const common = { ...sizes(s, 4, 4), ...pairs(bindings, { Four: "vec2u" }) };
  return {
    label,
    ...(tile.slices
      ? { shader: "product/sliced", constants: { ...common, ...slicedConstants(tile, s.k) } }
      : { shader: "product/tile", constants: { ...common, ...tileConstants(tile), DEPTH: 16 } }),
    bindings,
    workgroups: grid1d(workgroupsOf(s.m, s.n, tile) * s.batches),
  };
}

/** The product of operands as they are stored, by the kernel that suits the target. A software adapter with subgroups holds a
 *  tile of B where that pays; an A that is stored in columns is transposed first, for which m is a multiple of 4. Otherwise
 *  it is `gemmTile` on a GPU and `gemmQuad` with subgroups, where sizes and starts are multiples of 4, and `gemmAny` for all
 *  else. */
export function gemmStrided(label: string, bindings: Operands, s: GemmShape, target: Target): Dispatch[] {
  const { m, n, k, aColumns } = s;
  const sumsStay = bindings[2].tensor.dtype === "f32" || inOnePass(k);
  const held = target.adapterClass !== "gpu" && target.subgroups && suitsStationary(m, n, k) && sumsStay;
  if (!held || (aColumns && m % 4 !== 0)) return [gemmUnheld(label, bindings, s, target)];
  const tileN = evenTile(n)!;
  if (!aColumns) return [gemmStationary(label, bindings, s, { tileN, packed: false })];
  const [a, b, c] = bindings;
  const rows: Tensor = { name: `${c.tensor.name}/rows`, shape: [s.batches, m, k], dtype: a.tensor.dtype };
  return [
    transpose(`${label}/rows`, a.tensor, rows, s),
    gemmStationary(
      label,
      [read(rows), b, c],
      { ...s, a: { start: 0, outer: s.inner * m * k, inner: m * k } },
      { tileN, packed: false },
    ),
  ];
}

/** y[z] = a[z]^T, for an A stored in columns.   y: f32 [batches, m, k]; m and k multiples of 4 */
function transpose(label: string, x: Tensor, y: Tensor, { m, k, batches, inner, a }: GemmShape): Dispatch {
  return {
    label,
    shader: "product/transpose",
    constants: {
      BATCHES: batches,
      H: k,
      W: m,
      START: a.start / 4,
      INNER: inner,
      OUTER: a.outer / 4,
      X_INNER: a.inner / 4,
    },
    bindings: [read(x), write(y)],
    workgroups: grid1d(ceilDiv((batches * m * k) / 16, 16)),
  };
}

/** The product without a held tile: `gemmTile`, `gemmQuad` or `gemmAny`. */
function gemmUnheld(label: string, bindings: Operands, s: GemmShape, target: Target): Dispatch {
  const { m, n, k, a, b, aColumns } = s;
  const counts = [n, k, a.start, a.outer, a.inner, b.start, b.outer, b.inner, aColumns ? m : 0];
  const fours = counts.every((count) => count % 4 === 0);
  if (fours && target.adapterClass === "gpu")
    return gemmTile(label, bindings, s, chooseGemmTile(m, n, k, s.inner, target.maxLanes));
  return fours && target.subgroups ? gemmQuad(label, bindings, s) : gemmAny(label, bindings, s);
}

/** The product with subgroups, its sums in registers. n, k, starts and strides are multiples of 4, and so is m where A is
 *  stored in columns.   shaders/product/quad.wgsl */
export function gemmQuad(label: string, bindings: Operands, s: GemmShape): Dispatch {
  const { m, n, aColumns } = s;
  const tileM = tileHeight(m, REGISTER_TILE / 4, aColumns ? 16 : 4);
  const tiles = ceilDiv(m, tileM) * ceilDiv(n, 16) * s.batches;
  return {
    label,
    shader: "product/quad",
    constants: { ...sizes(s, 4, 4), TILE_M: tileM, TILE_N: 4 },
    bindings,
    workgroups: grid1d(ceilDiv(tiles, 4)),
  };
}

/** The product with a tile of B held while rows of A pass by. n is a multiple of 4 tileN, starts of b are of tileN, and k is
 *  of 8. Rows of A are as they are, or packed by `stationaryPlace`. Where C is updated, the product is added to what it holds.
 *  shaders/product/stationary.wgsl */
export function gemmStationary(
  label: string,
  bindings: Operands,
  s: Omit<GemmShape, "aColumns">,
  { tileN, packed }: { tileN: StationaryTile; packed: boolean },
): Dispatch {
  const { m, n, k, batches } = s;
  const { workgroups, ...tile } = stationaryTasks(m, k, (n / (4 * tileN)) * batches, tileN);
  const unit = tile.UNIT;
  return {
    label,
    shader: "product/stationary",
    constants: {
      ...sizes({ ...s, aColumns: false }, unit / 4, tileN),
      ...tile,
      A_STEP: packed ? 4 : (4 * k) / unit,
      A_BLOCK: packed ? 4 * m : 4,
      ...(bindings[2].access === "update" && { BEGUN: 1, ONE_PASS: 0 }),
    },
    bindings,
    workgroups,
  };
}
