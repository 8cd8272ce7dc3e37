import { ceilDiv } from "./dispatch";

/** Output tile of a workgroup in shaders/conv_tile.wgsl and shaders/gemm_tile.wgsl: rows (output channels) by columns
 *  (pixels). */
export interface Tile {
  readonly tileM: 16 | 32 | 64 | 128;
  readonly tileN: 16 | 32 | 64 | 128 | 256;
  /** Groups of lanes that share out the depth of every step (sliced K); 1 where absent. */
  readonly slices?: 2 | 4;
}

/** The fewest workgroups with which a tile is faster than smaller ones. */
interface TileFrom {
  readonly tile: Tile;
  readonly workgroups: number;
}

// From the fewest loads a multiply-add to the most workgroups, as an NVIDIA H100 measured them (bench/results/2026-11-26-h100.md).
const gemmTiles: readonly TileFrom[] = [
  { tile: { tileM: 64, tileN: 128 }, workgroups: 256 },
  { tile: { tileM: 64, tileN: 64 }, workgroups: 256 },
];
const convTiles: readonly TileFrom[] = [
  { tile: { tileM: 128, tileN: 128 }, workgroups: 512 },
  { tile: { tileM: 64, tileN: 64 }, workgroups: 256 },
];
const few: Tile = { tileM: 16, tileN: 64 };
const short: Tile = { tileM: 32, tileN: 16, slices: 4 };

/** The largest tile that makes workgroups enough of `batches` products of m x n and wastes less than half of itself; else
 *  `sliced`; `few` or `short` where m or n is. */
function choose(m: number, n: number, batches: number, large: readonly TileFrom[], sliced: Tile): Tile {
  if (m <= 16) return few;
  if (n <= 16) return short;
  const fits = large.find(
    ({ tile, workgroups }) =>
      tile.tileM < 2 * m && tile.tileN < 2 * n && workgroupsOf(m, n, tile) * batches >= workgroups,
  );
  return fits?.tile ?? sliced;
}

/** For `batches` products of m x n in shaders/gemm_tile.wgsl. */
export const chooseGemmTile = (m: number, n: number, batches: number): Tile =>
  choose(m, n, batches, gemmTiles, { tileM: 32, tileN: 32, slices: 2 });

/** For shaders/conv_tile.wgsl.   @param deep a step can be 32 channels deep */
export const chooseConvTile = (oc: number, pixels: number, deep: boolean): Tile =>
  choose(oc, pixels, 1, convTiles, { tileM: 32, tileN: 32, slices: deep ? 4 : 2 });

export const workgroupsOf = (m: number, n: number, { tileM, tileN }: Tile): number =>
  ceilDiv(m, tileM) * ceilDiv(n, tileN);

/** Lanes of a workgroup in both directions and in slices, and the blocks of 4 x 4 that a lane keeps: 2 x 2 of large tiles.
 *  The depth of a step is the caller's; it gives every lane a load, and so is 32 for 4 slices of 32 x 32. */
export function tileConstants({ tileM, tileN, slices }: Tile) {
  const blocks = tileM * tileN >= 64 * 128 ? 2 : 1;
  return {
    LANES_M: tileM / 4 / blocks,
    LANES_N: tileN / 4 / blocks,
    ROWS: blocks,
    COLUMNS: blocks,
    SLICES: slices ?? 1,
  };
}

/** Lanes of a workgroup. */
export function lanesOf(tile: Tile): number {
  const { LANES_M, LANES_N, SLICES } = tileConstants(tile);
  return LANES_M * LANES_N * SLICES;
}
