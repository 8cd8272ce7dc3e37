import { ceilDiv, type Dispatch, f32, grid1d, read, type Tensor, write } from "../dispatch";
import { type GemmShape, gemmAny, gemmQuad, gemmStationary, gemmTile } from "../product/gemm";
import { type StationaryTile, stationaryDepth, stationaryPlace, stationaryTile } from "../product/stationary";
import { chooseGemmTile } from "../product/tiles";
import { type ConvSizes, type ConvTensors, outputBindings, outputConstants } from "./io";
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

/** The same with stride 2: outputs y[0], y[1] take the even taps from samples 0, 2, 4 by F(2, 2), and the odd one from
 *  samples 1, 3 as it is.   Huang et al. 2020, arXiv:2002.00552 */
const G_STRIDE_2 = [
  [1, 0, 0],
  [1, 0, 1],
  [0, 0, 1],
  [0, 1, 0],
  [0, 1, 0],
] as const;

/** Input samples along a tile's side, and so positions of the transform. */
const sideOf = ({ m, stride }: WinogradVariant): number => (m - 1) * (stride ?? 1) + 3;

/** Channels rounded up to what the multiplication takes in one step. */
const depthOf = (channels: number, { product }: WinogradVariant): number =>
  product === "stationary" ? stationaryDepth(channels) : ceilDiv(channels, 4) * 4;

/** U = G w G^T: f32 [side^2, OC, K], in units of K for gemm_stationary, or [side^2, K, OC] for gemm_tile.   w: OIHW
 *
 *  In blocks that lie together at every position of the transform, each copied whole: values written one by one would go to
 *  side^2 places a megabyte apart, and take five to eight times as long. */
export function winogradWeights(
  w: Float32Array,
  oc: number,
  ic: number,
  v: WinogradVariant,
): Float32Array<ArrayBuffer> {
  const side = sideOf(v);
  const g = Float64Array.from((v.stride === 2 ? G_STRIDE_2 : G[v.m]).flat());
  const order = filterOrder(oc, ic, v);
  const u = new Float32Array(side * side * order.length);
  const stride = BLOCK + 16; // off the power of two, or all positions share a few lines of the cache
  const block = new Float32Array(side * side * stride);
  const row = new Float64Array(3 * side);
  for (let start = 0; start < order.length; start += BLOCK) {
    const length = Math.min(BLOCK, order.length - start);
    block.fill(0);
    for (let e = 0; e < length; e++) {
      const filter = order[start + e]! - 1;
      if (filter < 0) continue;
      for (let i = 0; i < 3 * side; i += 3)
        for (let x = 0; x < 3; x++) {
          const at = 9 * filter + x;
          row[i + x] = g[i]! * w[at]! + g[i + 1]! * w[at + 3]! + g[i + 2]! * w[at + 6]!;
        }
      for (let i = 0, z = e; i < 3 * side; i += 3)
        for (let j = 0; j < 3 * side; j += 3, z += stride)
          block[z] = g[j]! * row[i]! + g[j + 1]! * row[i + 1]! + g[j + 2]! * row[i + 2]!;
    }
    for (let z = 0; z < side * side; z++)
      u.set(block.subarray(z * stride, z * stride + length), z * order.length + start);
  }
  return u;
}

/** Filters of one block of `winogradWeights`. */
const BLOCK = 512;

/** Which filter (o * IC + c) lies at each place of a position's weights, counted from 1; 0 pads. f32 counts to 2^24. */
function filterOrder(oc: number, ic: number, v: WinogradVariant): Float32Array {
  const k = depthOf(ic, v);
  const rows = rowsOf(oc, v);
  const order = new Float32Array(rows * k);
  const place = placeOf(rows, k, v);
  for (let o = 0; o < oc; o++) for (let c = 0; c < ic; c++) order[place(o, c)] = o * ic + c + 1;
  return order;
}

/** Where the weight of output channel o and input channel c lies. */
function placeOf(rows: number, k: number, { product }: WinogradVariant): (o: number, c: number) => number {
  if (product === "stationary") return stationaryPlace(rows, k);
  return product === "tile" ? (o, c) => c * rows + o : (o, c) => o * k + c;
}

/** Output channels, padded to fours for gemm_tile. */
const rowsOf = (oc: number, { product }: WinogradVariant): number => (product === "tile" ? ceilDiv(oc, 4) * 4 : oc);

/** Shape of the transformed weights: positions, output channels and K; K first for gemm_tile. */
export function winogradShape(oc: number, ic: number, v: WinogradVariant): number[] {
  const [rows, k] = [rowsOf(oc, v), depthOf(ic, v)];
  return [sideOf(v) ** 2, ...(v.product === "tile" ? [k, rows] : [rows, k])];
}

/** The dispatches of a Winograd convolution: for each chunk of tiles, input transforms (x, then the skip), product, output
 *  transform. Shapes are those of ConvTensors.   Lavin & Gray 2016, arXiv:1509.09308 */
export function winograd(
  io: ConvTensors,
  s: ConvSizes,
  o: { silu: boolean; upsample: boolean; pad: number },
  v: WinogradVariant,
): Dispatch[] {
  const { m, stride = 1 } = v;
  const positions = sideOf(v) ** 2;
  const rows = s.oc; // of the sums
  const k = depthOf(s.c1 + s.c2, v);
  const tilesX = ceilDiv(s.ow, m);
  const tilesY = ceilDiv(s.oh, m);
  const tiles = tilesX * tilesY;
  const lane = [4, 2, 1].find((t) => t <= v.tiles && tilesX % t === 0)!; // input tiles a lane transforms
  const aligned = stride === 1 && !o.upsample && o.pad === 1 && s.w % (m * lane) === 0;
  const whole = s.ow % m === 0 && s.oh % m === 0;
  const together = whole && v.product !== "tile" && tilesX % 2 === 0 ? 2 : 1; // output tiles of a lane
  const tileN = stationaryTile(tiles);
  const unit = { stationary: 4 * tileN, quad: 4, any: Math.max(lane, together), tile: 4 }[v.product];
  // gemm_stationary adds in an order that depends on the column: a sample has the same ones in any batch.
  const sample = v.product === "stationary" ? ceilDiv(tiles, unit) * unit : tiles;
  const columns = ceilDiv(s.n * sample, unit) * unit;
  const most = Math.max(unit, Math.floor(v.scratchBytes / (positions * Math.max(k, rows) * 4 * unit)) * unit);
  const chunk = ceilDiv(ceilDiv(columns, ceilDiv(columns, most)), unit) * unit;
  const name = io.y.name;
  const dispatches: Dispatch[] = [];
  for (let start = 0; start < columns; start += chunk) {
    const suffix = chunk < columns ? `${start / chunk}` : "";
    const cols = Math.min(chunk, columns - start);
    const transformed = f32(`${name}/tiles${suffix}`, positions, k, cols);
    const sums = f32(`${name}/sums${suffix}`, positions, rows, cols);
    const where = {
      N: s.n,
      TILES_X: tilesX,
      SAMPLE: sample,
      COL_START: start,
      COLS: cols,
      WG: 64,
      M: m,
      STRIDE: stride,
    };
    const channels = s.c1 + s.c2;
    const part = (suffix: string, x: Tensor, start: number, end: number): Dispatch => ({
      label: `${name}/${suffix}`,
      shader: "conv/winograd_input",
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
        SILU: Number(o.silu),
        UPSAMPLE: o.upsample ? 2 : 1,
        PAD: o.pad,
        TILES: lane,
        ALIGNED: Number(aligned),
        X_UNIT: aligned ? m * lane : 1,
      },
      bindings: [read(x), read(io.norm ?? x), write(transformed)],
      workgroups: grid1d(ceilDiv((cols / lane) * (end - start), 64)),
    });
    const inputs = io.skip
      ? [part("input", io.x, 0, s.c1), part("skip", io.skip, s.c1, k)]
      : [part("input", io.x, 0, k)];
    const operands = [read(io.weight), read(transformed), write(sums)] as const;
    const product = {
      m: s.oc,
      n: cols,
      k,
      batches: positions,
      inner: 1,
      a: { start: 0, outer: k * rowsOf(s.oc, v), inner: 0 },
      b: { start: 0, outer: k * cols, inner: 0 },
    };
    dispatches.push(...inputs, multiply(`${name}/gemm`, operands, product, v, tileN), {
      label: `${name}/output`,
      shader: "conv/winograd_output",
      constants: {
        ...where,
        TILES_Y: tilesY,
        OC: s.oc,
        ROWS: rows,
        OH: s.oh,
        OW: s.ow,
        ...outputConstants(io),
        TILES: together,
        WHOLE: Number(whole),
        Y_UNIT: whole ? m * together : 1,
      },
      bindings: [read(sums), ...outputBindings(io)],
      workgroups: grid1d(ceilDiv((cols / together) * s.oc, 64)),
    });
  }
  return dispatches;
}

function multiply(
  label: string,
  operands: Parameters<typeof gemmAny>[1],
  product: Omit<GemmShape, "aColumns">,
  v: WinogradVariant,
  tileN: StationaryTile,
): Dispatch {
  const { m, n, batches } = product;
  switch (v.product) {
    case "stationary":
      return gemmStationary(label, operands, product, { tileN, packed: true });
    case "quad":
      return gemmQuad(label, operands, { ...product, aColumns: false });
    case "any":
      return gemmAny(label, operands, { ...product, aColumns: false });
    case "tile": {
      const tile = v.tile ?? chooseGemmTile(m, n, product.k, batches, v.maxLanes);
      return gemmTile(label, operands, { ...product, aColumns: true }, tile);
    }
    default:
      return v satisfies never;
  }
}
