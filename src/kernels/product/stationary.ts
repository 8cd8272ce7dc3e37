import { ceilDiv, grid1d } from "../dispatch";

// Units, tiles and tasks of shaders/product/stationary.wgsl and shaders/conv/stationary.wgsl. docs/software-adapter.md has the
// reasons.

/** K rounded up to a multiple of 8, or of 32 where K is deep, so that it has a long unit as divisor. */
export const stationaryDepth = (k: number): number => (k > 96 ? ceilDiv(k, 32) * 32 : ceilDiv(k, 8) * 8);

/** Unit: elements of K that are stored together, of which four lanes load a quarter each. 96 where K is deep enough for the
 *  tenth it saves to pay for a pipeline of its own; else 64, or the largest divisor of K up to 96.   k: of `stationaryDepth` */
export function stationaryUnit(k: number): number {
  if (k % 64 === 0 && (k % 96 !== 0 || k < 384)) return 64;
  return Array.from({ length: 12 }, (_, i) => 96 - 8 * i).find((unit) => k % unit === 0)!;
}

/** Place of element k of a row among [K / unit, rows, unit]. */
export function stationaryPlace(rows: number, depth: number): (row: number, k: number) => number {
  return placeInUnits(rows, stationaryUnit(depth));
}

/** The same for any unit that divides K. */
export const placeInUnits = (rows: number, unit: number) => (row: number, k: number) =>
  (Math.floor(k / unit) * rows + row) * unit + (k % unit);

/** Columns of a lane, the most first. */
const tiles = [8, 4, 2, 1] as const;
export type StationaryTile = (typeof tiles)[number];

/** Instructions for a multiply-add by the columns of a lane: 3, and a share of the loads and stores, 48 each. */
const COST: Record<StationaryTile, number> = { 8: 6, 4: 6.75, 2: 9.75, 1: 15.75 };

const costOf = (n: number, tile: StationaryTile): number => ceilDiv(n, 4 * tile) * 4 * tile * COST[tile];

/** Columns of a lane for n columns that may be padded: the cheapest, padding included. */
export const stationaryTile = (n: number): StationaryTile =>
  tiles.reduce((best, tile) => (costOf(n, tile) < costOf(n, best) ? tile : best));

/** Rows that pass by in the time that it takes to fill a tile. */
const FILL = 15;

/** Instructions, over four lanes, for each step of K of a product of `rows` x `n`. */
export const heldCost = (rows: number, n: number, tile = stationaryTile(n)): number => (rows + FILL) * costOf(n, tile);

/** Columns of a lane for n columns that four lanes share out evenly; undefined where a lane would get one at most. */
export const evenTile = (n: number): StationaryTile | undefined =>
  tiles.find((tile) => tile > 1 && n % (4 * tile) === 0);

/** With fewer rows, filling a tile costs more than it saves. */
const ROWS_TO_HOLD = 24;
const ROWS_THAT_PAY = 64;

/** Tasks that keep the cores of a host busy. With twice as many, 1x1 convolutions take 1.06 of the time on two cores. */
const ENOUGH_TASKS = 8;

/** Whether a tile of B is worth holding, for a product of [m, k] and [k, n] that are not padded. */
export const suitsStationary = (m: number, n: number, k: number): boolean =>
  m >= ROWS_TO_HOLD && evenTile(n) !== undefined && k === stationaryDepth(k);

/** Whether a product of this depth never leaves sums in its result, to be added to later: an f16 would round them. */
export const inOnePass = (k: number): boolean => k === stationaryUnit(k);

/** Workgroups of a dispatch that SwiftShader computes side by side. With more, each would zero a tile of its own. */
const SIDE_BY_SIDE = 16;

/** Splits a product into tasks: each keeps one of `held` tiles of B in registers, `tile` columns to a lane, and streams a
 *  share of A's rows past it. Workgroups share the tasks out. */
export function stationaryTasks(rows: number, k: number, held: number, tile: StationaryTile) {
  const unit = stationaryUnit(k);
  const parts = Math.min(Math.max(1, Math.floor(rows / ROWS_THAT_PAY)), ceilDiv(ENOUGH_TASKS, held));
  const share = ceilDiv(rows, parts);
  const units = tile < 8 && unit <= 64 && k % (2 * unit) === 0 ? 2 : 1;
  return {
    ROWS: share,
    UNIT: unit,
    UNITS: units,
    TILE_N: tile,
    ONE_PASS: Number(inOnePass(k)),
    workgroups: grid1d(Math.min(ceilDiv(rows, share) * held, SIDE_BY_SIDE)),
  };
}
