import { ceilDiv } from "./dispatch";

/** Output tile of a workgroup in shaders/conv_tile.wgsl and shaders/gemm_tile.wgsl: rows (output channels) by columns
 *  (pixels). */
export interface Tile {
  readonly tileM: 16 | 32 | 64 | 128;
  readonly tileN: 32 | 64 | 128;
}

/** From the fewest loads a multiply-add to the most workgroups. */
export const tiles = [
  { tileM: 128, tileN: 128 },
  { tileM: 64, tileN: 64 },
  { tileM: 32, tileN: 32 },
] as const satisfies readonly Tile[];

const narrow = { tileM: 16, tileN: 64 } as const satisfies Tile;

/** Workgroups below which a GPU has idle cores. */
export const ENOUGH_WORKGROUPS = 128;

export const workgroupsOf = (m: number, n: number, { tileM, tileN }: Tile): number =>
  ceilDiv(m, tileM) * ceilDiv(n, tileN);

/** The largest tile that makes enough workgroups of `batches` products of m x n, and wastes no more than half of itself;
 *  with `splits`, of 64 x 64 before 32 x 32, for the depth can be split among more workgroups.
 *  Measured by `npm run bench -- --variants` on an NVIDIA H100. */
export function chooseTileSize(m: number, n: number, { batches = 1, splits = false } = {}): Tile {
  if (m <= 16) return narrow;
  const [smallest, ...larger] = tiles.filter(({ tileM, tileN }) => tileM < 2 * m && tileN < 2 * n).reverse();
  const busy = (tile: Tile) => workgroupsOf(m, n, tile) * batches >= ENOUGH_WORKGROUPS;
  return larger.reverse().find(busy) ?? (splits ? larger.at(-1) : undefined) ?? smallest ?? tiles[2];
}

/** Lanes of a workgroup in both directions, and the blocks of 4 x 4 that a lane keeps. */
export function tileConstants({ tileM, tileN }: Tile) {
  const lanes = (size: number) => Math.min(16, size / 4);
  return {
    LANES_M: lanes(tileM),
    LANES_N: lanes(tileN),
    ROWS: tileM / 4 / lanes(tileM),
    COLUMNS: tileN / 4 / lanes(tileN),
  };
}
