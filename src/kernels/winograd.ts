import { type ConvSizes, type ConvTensors, outputBindings, outputConstants } from "./conv-io";
import { ceilDiv, type Dispatch, f32, grid1d, read, type Tensor, write } from "./dispatch";
import { gemmAny, gemmTiled } from "./gemm";
import { quadTiles } from "./packing";
import type { WinogradVariant } from "./variants";

/** Rows of G: a 3-tap filter in the transform domain. */
const G = {
  2: [
    [1, 0, 0],
    [1 / 2, 1 / 2, 1 / 2],
    [1 / 2, -1 / 2, 1 / 2],
    [0, 0, 1],
  ],
  4: [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
  ],
} as const;

/** Channels rounded up to what the multiplication takes in one step. */
export const winogradDepth = (channels: number): number => ceilDiv(channels, 4) * 4;

/** U = G w G^T: f32 [(m+2)^2, OC, K], in the tiles of gemm_quad where that runs.   w: OIHW */
export function winogradWeights(
  w: Float32Array,
  oc: number,
  ic: number,
  v: WinogradVariant,
): Float32Array<ArrayBuffer> {
  const { m } = v;
  const g = G[m];
  const side = m + 2;
  const k = winogradDepth(ic);
  const u = new Float32Array(side * side * oc * k);
  for (let o = 0; o < oc; o++)
    for (let c = 0; c < ic; c++) {
      const at = (o * ic + c) * 9;
      for (let i = 0; i < side; i++) {
        const row = [0, 1, 2].map(
          (x) => g[i]![0]! * w[at + x]! + g[i]![1]! * w[at + 3 + x]! + g[i]![2]! * w[at + 6 + x]!,
        );
        for (let j = 0; j < side; j++)
          u[((i * side + j) * oc + o) * k + c] = g[j]![0]! * row[0]! + g[j]![1]! * row[1]! + g[j]![2]! * row[2]!;
      }
    }
  if (!v.subgroups) return u;
  const [, rows] = winogradShape(oc, ic, v);
  const tiled = new Float32Array(side * side * rows! * k);
  for (let z = 0; z < side * side; z++)
    tiled.set(quadTiles(u.subarray(z * oc * k, (z + 1) * oc * k), oc, k, v.tileM, 4), z * rows! * k);
  return tiled;
}

/** Shape of the transformed weights: positions, output channels (padded to whole tiles for gemm_quad), K. */
export const winogradShape = (oc: number, ic: number, v: WinogradVariant): number[] => [
  (v.m + 2) ** 2,
  v.subgroups ? ceilDiv(oc, v.tileM) * v.tileM : oc,
  winogradDepth(ic),
];

/** The dispatches of a Winograd convolution: for each chunk of tiles, input transforms (x, then the skip), product, output
 *  transform. Shapes are those of ConvTensors.   Lavin & Gray 2016, arXiv:1509.09308 */
export function winograd(
  io: ConvTensors,
  s: ConvSizes,
  silu: boolean,
  upsample: boolean,
  v: WinogradVariant,
): Dispatch[] {
  const { m } = v;
  const positions = (m + 2) ** 2;
  const [, rows, k] = winogradShape(s.oc, s.c1 + s.c2, v) as [number, number, number];
  const tilesX = ceilDiv(s.ow, m);
  const tilesY = ceilDiv(s.oh, m);
  const outputTiles = s.n * tilesX * tilesY;
  const tileN = [4, 2].find((t) => t <= v.tileN && 4 * t <= outputTiles) ?? 1;
  const lane = [4, 2, 1].find((t) => t <= Math.min(v.tiles, v.subgroups ? tileN : 4) && tilesX % t === 0)!; // input tiles a lane transforms
  const unit = v.subgroups ? tileN : lane;
  const columns = ceilDiv(outputTiles, unit) * unit;
  const most = Math.max(unit, Math.floor(v.scratchBytes / (positions * Math.max(k, rows) * 4 * unit)) * unit);
  const chunk = ceilDiv(ceilDiv(columns, ceilDiv(columns, most)), unit) * unit;
  const name = io.y.name;
  const dispatches: Dispatch[] = [];
  for (let start = 0; start < columns; start += chunk) {
    const suffix = chunk < columns ? `${start / chunk}` : "";
    const cols = Math.min(chunk, columns - start);
    const tiles = f32(`${name}/tiles${suffix}`, positions, k, cols);
    const sums = f32(`${name}/sums${suffix}`, positions, rows, cols);
    const where = { N: s.n, TILES_X: tilesX, TILES_Y: tilesY, COL_START: start, COLS: cols, WG: 64, M: m };
    const channels = s.c1 + s.c2;
    const part = (suffix: string, x: Tensor, start: number, end: number): Dispatch => ({
      label: `${name}/${suffix}`,
      shader: "winograd_input",
      constants: {
        ...where,
        X_N: x.shape[0]!,
        C: x.shape[1]!,
        C_START: start,
        CHANNELS: end - start,
        K: k,
        H: s.h,
        W: s.w,
        NORM: Number(!!io.norm),
        NORM_N: io.norm?.shape[0] ?? 1,
        NORM_C: channels,
        SILU: Number(silu),
        UPSAMPLE: upsample ? 2 : 1,
        TILES: lane,
        DEPTH: v.subgroups ? 4 : 1,
        COLUMNS_N: unit,
      },
      bindings: [read(x), read(io.norm ?? x), write(tiles)],
      workgroups: grid1d(ceilDiv((cols / lane) * (end - start), 64)),
    });
    const inputs = io.skip
      ? [part("input", io.x, 0, s.c1), part("skip", io.skip, s.c1, k)]
      : [part("input", io.x, 0, k)];
    const product = { m: s.oc, n: cols, k, batches: positions };
    const operands = [read(io.weight), read(tiles), write(sums)] as const;
    dispatches.push(
      ...inputs,
      v.subgroups
        ? gemmTiled(`${name}/gemm`, operands, product, { tileM: v.tileM, tileN })
        : gemmAny(`${name}/gemm`, operands, {
            ...product,
            inner: 1,
            a: { start: 0, outer: s.oc * k, inner: 0 },
            b: { start: 0, outer: k * cols, inner: 0 },
            aColumns: false,
          }),
      {
        label: `${name}/output`,
        shader: "winograd_output",
        constants: { ...where, OC: s.oc, ROWS: rows, OH: s.oh, OW: s.ow, ...outputConstants(io) },
        bindings: [read(sums), ...outputBindings(io)],
        workgroups: grid1d(ceilDiv(cols * s.oc, 64)),
      },
    );
  }
  return dispatches;
}
