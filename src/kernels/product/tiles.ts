import { ceilDiv } from "../dispatch";

/** Output tile of a workgroup of a GPU: rows (output channels) by columns (pixels). Without slices it is computed from
 *  workgroup memory (shaders/conv/tile.wgsl, product/tile.wgsl). With slices, that many groups of lanes share out the depth:
 *  in conv/tile, or straight from memory in product/sliced and conv/sliced, with the tiles of `slicedConstants`. */
export interface Tile {
  readonly tileM: 16 | 32 | 64 | 128;
  readonly tileN: 16 | 32 | 64 | 128 | 256;
  readonly slices?: 1 | 2 | 4 | 8 | 16;
}

export const tileName = ({ tileM, tileN, slices }: Tile): string => `${tileM}x${tileN}${slices ? `x${slices}` : ""}`;

/** The fewest workgroups with which a tile is faster than smaller ones. */
interface TileFrom {
  readonly tile: Tile;
  readonly workgroups: number;
}

// The thresholds were measured on an NVIDIA H100 (bench/results/2026-11-27-h100.md).

/** From the fewest loads a multiply-add to the most workgroups. */
const large: readonly TileFrom[] = [
  { tile: { tileM: 128, tileN: 128 }, workgroups: 512 },
  { tile: { tileM: 64, tileN: 64 }, workgroups: 256 },
];
const largeProduct: TileFrom = { tile: { tileM: 64, tileN: 64 }, workgroups: 1024 };

const fits = (m: number, n: number, batches: number, { tile, workgroups }: TileFrom): boolean =>
  tile.tileM < 2 * m && tile.tileN < 2 * n && workgroupsOf(m, n, tile) * batches >= workgroups;

/** For shaders/conv/tile.wgsl: the largest tile that makes workgroups enough and wastes less than half of itself.
 *  @param pixels of one sample: the order of additions, and so the bytes of a sample, must not depend on the batch */
export function chooseConvTile(oc: number, pixels: number): Tile {
  if (oc <= 16) return { tileM: 16, tileN: 64 };
  if (pixels <= 16) return { tileM: 32, tileN: 16, slices: 4 };
  return large.find((from) => fits(oc, pixels, 1, from))?.tile ?? { tileM: 32, tileN: 32, slices: 2 };
}

/** Lanes that keep a GPU busy, and those of a slice. */
const ENOUGH_LANES = 2 ** 16;
const GROUP = 32;

/** Minimum and maximum K per slice. Thinner slices cost more than they save; thicker ones are split again. */
const DEPTH = { least: 8, most: 32 };

/** Sums of all slices: half of them lie in the 16 KiB of workgroup memory that every device has. */
const MOST_SUMS = 2 ** 13;

/** Tiles of 32 x 32 below which half as large ones are faster. */
const FEW_TILES = 256;

/** For `batches` products of m x n, k deep: for product/tile where they are large, else for product/sliced.
 *  @param n columns of one sample, and `batches` those of one sample, as for `chooseConvTile`
 *  @param lanes most of a workgroup */
export function chooseGemmTile(m: number, n: number, k: number, batches: number, lanes = 256): Tile {
  if (fits(m, n, batches, largeProduct)) return largeProduct.tile;
  const square: Tile = { tileM: 32, tileN: 32 };
  const short: Tile = { tileM: 32, tileN: 16 };
  const flat: Tile = { tileM: 16, tileN: 32 };
  const tile = n <= 16 ? short : m <= 16 || workgroupsOf(m, n, square) * batches < FEW_TILES ? flat : square;
  const enough = 2 ** Math.ceil(Math.log2(ENOUGH_LANES / (workgroupsOf(m, n, tile) * batches * GROUP)));
  const wanted = enough > 2 && k / enough > DEPTH.most ? 2 * enough : enough;
  const most = Math.min(wanted, lanes / GROUP, k / DEPTH.least, MOST_SUMS / (tile.tileM * tile.tileN));
  const slices = ([16, 8, 4] as const).find((s) => s <= most) ?? (k < 2 * DEPTH.least ? 1 : 2);
  return { ...tile, slices };
}

export const workgroupsOf = (m: number, n: number, { tileM, tileN }: Tile): number =>
  ceilDiv(m, tileM) * ceilDiv(n, tileN);

/** Lanes of a workgroup in both directions, and the blocks of 4 x 4 that a lane keeps: 2 x 2 of large tiles. For conv/tile
 *  and product/tile; the depth of a step is the caller's, and gives every lane a load. */
export function tileConstants({ tileM, tileN }: Tile) {
  const blocks = tileM * tileN >= 64 * 128 ? 2 : 1;
  return {
    LANES_M: tileM / 4 / blocks,
    LANES_N: tileN / 4 / blocks,
    ROWS: blocks,
    COLUMNS: blocks,
  };
}

/** The same for product/sliced and conv/sliced, whose tiles are of 32 x 32, 16 x 32 or 32 x 16.
 *  @param depths of which a step is a divisor */
export function slicedConstants({ tileM, tileN, slices = 1 }: Tile, ...depths: readonly number[]) {
  const columns = (tileM * tileN) / (16 * GROUP);
  const k = depths.reduce((sum, depth) => sum + depth, 0);
  return {
    LANES_M: tileM / 4,
    LANES_N: tileN / 4 / columns,
    COLUMNS: columns,
    SLICES: slices,
    STEP: depths.every((depth) => depth % 8 === 0) && k >= 8 * slices ? 8 : 4,
  };
}

/** Lanes of a workgroup of conv/tile. */
export function lanesOf(tile: Tile): number {
  const { LANES_M, LANES_N } = tileConstants(tile);
  return LANES_M * LANES_N * (tile.slices ?? 1);
}

/** Sums that a lane of a quad keeps. On the software adapter a loop runs twice as fast while its machine code fits the
 *  instruction cache. A load takes about 350 bytes, a multiply-add 30: 16 x 4 by K = 4 fits, 32 x 4 does not. */
export const REGISTER_TILE = 64;

/** Height of a tile for `rows` rows: the multiple of `unit`, about `most` at most, that pads least. */
export function tileHeight(rows: number, most: number, unit = 4): number {
  const tiles = ceilDiv(rows, most);
  return ceilDiv(ceilDiv(rows, tiles), unit) * unit;
}
