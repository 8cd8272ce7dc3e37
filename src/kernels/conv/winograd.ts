import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, f32, grid1d, read, type Tensor, write } from "../dispatch";
import { type GemmShape, gemmAny, gemmQuad, gemmStationary, gemmTile } from "../product/gemm";
import { heldCost, type StationaryTile, stationaryDepth, stationaryPlace, stationaryTile } from "../product/stationary";
import { chooseGemmTile, type Tile, tileName } from "../product/tiles";
import type { Dtype, Target } from "../target";
import { afterBindings, afterConstants, type ConvSizes, type ConvTensors, words } from "./io";
import { type Packing, type Parts, packed, type Room, scratchLimit } from "./packing";
import { implicitCost, WEIGHT_COST } from "./tile";
import { type ConvOptions, type ConvShape, type ConvVariant, outputSides, whole } from "./variant";

/** How a Winograd convolution F(m x m, 3 x 3) is computed, in three dispatches: transform the input tiles, multiply in the
 *  transform domain, transform the sums back.   Lavin & Gray 2016, arXiv:1509.09308 */
interface Winograd {
  /** Output pixels along a tile's side: 4 (36 products for 16 pixels) or 2 (16 for 4, ten times as exact). */
  readonly m: 2 | 4;
  /** 2 for convolutions of stride 2, by parts of equal parity (25 products for 4 pixels instead of 36); m is then 2.
   *  Huang et al. 2020, arXiv:2002.00552 */
  readonly stride: 1 | 2;
  /** stationary, quad: shaders/product/<product>.wgsl, for software adapters with subgroups; any: for those without; tile:
   *  shaders/product/tile.wgsl or sliced.wgsl, for GPUs. */
  readonly product: "stationary" | "quad" | "any" | "tile";
  /** Output tile of a workgroup of a GPU's product, where it should not suit the sizes. */
  readonly tile?: Tile;
  /** Most tiles of the input that a lane transforms side by side: 1, 2 or 4. */
  readonly tiles: number;
  /** Bytes that scratch tensors stay below, where the target's limit should not decide. */
  readonly scratchBytes?: number;
}

/** Channels of the input from which transforms pay; with stride 2, twice as many. */
const FEW_CHANNELS = 16;

/** Instructions for a multiply-add of a product, over four lanes, and columns that its tiles pad to. With quads, as many as
 *  make `ROWS_TO_HOLD` rows cost the same held and not. */
const UNHELD = { quad: { instructions: 9.75, columns: 16 }, any: { instructions: 20, columns: 4 } } as const;

/** Instructions, over four lanes, for a value that a transform reads and writes. */
const TRANSFORM = 60;

/** Largest errors of outputs near 1. In f16 every weight is rounded once it is transformed. */
const TOLERANCE = { f32: { 2: 2e-4, 4: 2e-4 }, f16: { 2: 3e-3, 4: 1e-2 } } as const;

/** Winograd convolution F(m x m, 3 x 3).
 *  f16 weights are rounded once they are transformed, so `exact` has none of it, nor has a software adapter with subgroups.
 *  @param o tiles, tile, scratchBytes: where they should not suit the shape and target */
export function winograd(o: Pick<Winograd, "m" | "stride" | "product"> & Partial<Winograd>): ConvVariant {
  // Parts of equal parity share no input, and lanes of a GPU are many.
  const v: Winograd = { tiles: o.stride === 2 || o.product === "tile" ? 1 : 4, ...o };
  const { m, stride, product } = v;
  const positions = sideOf(v) ** 2;
  return {
    name: `F(${m},3)${stride === 2 ? " stride 2" : ""} ${v.tile ? tileName(v.tile) : product}`,
    tolerance: (weights) => TOLERANCE[weights][m],
    runs: (s, t) =>
      s.kernel === 3 &&
      (t.weights === "f32" || (t.precision === "fast" && (t.adapterClass === "gpu" || !t.subgroups))) &&
      (m === 2 || t.precision === "fast") &&
      s.stride === stride &&
      !(s.upsample && stride === 2) &&
      s.c1 + s.c2 >= stride * FEW_CHANNELS &&
      (product === "tile" || product === "any" || (t.subgroups && t.adapterClass === "software")),
    cost(s, t) {
      const [oh, ow] = outputSides(s);
      const tiles = ceilDiv(oh, m) * ceilDiv(ow, m);
      const depth = positions * depthOf(s.c1 + s.c2, v);
      if (product === "tile") {
        if (t.adapterClass === "software") return implicitCost(s, t);
        return depth * s.oc * (tiles + WEIGHT_COST) * (v.tile ? 1.1 : 1);
      }
      const transforms = TRANSFORM * positions * tiles * (s.c1 + s.c2 + s.oc);
      if (product === "stationary") return depth * heldCost(s.oc, tiles) + transforms;
      const { instructions, columns } = UNHELD[product];
      return depth * s.oc * whole(tiles, columns) * instructions + transforms;
    },
    weight: (name, { c1, c2, oc }, t): Tensor => {
      const [rows, k] = [rowsOf(oc, v), depthOf(c1 + c2, v)];
      return { name, shape: [positions, ...(product === "tile" ? [k, rows] : [rows, k])], dtype: t.weights };
    },
    packing: (w, shape, t, room) => packingOf(w, shape, v, t.weights, room),
    dispatches(io, sizes, options, t) {
      if (options.stride !== stride || (options.upsample && stride === 2) || (options.pad !== "same" && stride === 1))
        throw new ShapeError(
          `${io.y.name}: these weights are for stride ${stride}, and padding all round with stride 1`,
        );
      return winogradDispatches(io, sizes, options, v, t);
    },
  };
}

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

function linesOf({ m, stride }: Winograd, weights: Dtype): TransformLines {
  const narrow = weights === "f16";
  if (stride === 2) return linesOfStride2(narrow ? 1 / 2 : 1);
  if (m === 2) return linesOf2(narrow ? 1 / 4 : 1 / 2);
  return narrow ? narrowLinesOf4 : linesOf4;
}

/** Input samples along a tile's side, and so positions of the transform. */
const sideOf = ({ m, stride }: Winograd): number => (m - 1) * stride + 3;

/** Channels rounded up to what the multiplication takes in one step. */
const depthOf = (channels: number, { product }: Winograd): number =>
  product === "stationary" ? stationaryDepth(channels) : ceilDiv(channels, 4) * 4;

/** U = G w G^T: [side^2, OC, K], in units of K for product/stationary, or [side^2, K, OC] for product/tile.   w: OIHW
 *  @param weights the type to which they are rounded afterwards
 *
 *  In blocks that lie together at every position of the transform, each copied whole: values written one by one would go to
 *  side^2 places a megabyte apart, and take five to eight times as long. */
function* winogradWeights(
  w: Float32Array,
  oc: number,
  ic: number,
  v: Winograd,
  weights: Dtype,
  room: Room,
): Parts<Float32Array<ArrayBuffer>> {
  const side = sideOf(v);
  const order = filterOrder(oc, ic, v, room);
  const u = room(side * side * order.length);
  const transform = blockTransform(w, order, u, side, linesOf(v, weights));
  for (let start = 0, n = 1; start < order.length; start += BLOCK, n++) {
    transform(start);
    if (n % BLOCKS_BETWEEN_STOPS === 0) yield;
  }
  return u;
}

/** Transforms the block of filters that begins at `start`, into u. */
function blockTransform(
  w: Float32Array,
  order: Float32Array,
  u: Float32Array,
  side: number,
  lines: TransformLines,
): (start: number) => void {
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
    for (let z = 0; z < side * side; z++) u.set(block.subarray(z * step, z * step + length), z * order.length + start);
  };
}

function* packingOf(w: Float32Array, { c1, c2, oc }: ConvShape, v: Winograd, weights: Dtype, room: Room): Packing {
  return yield* packed(yield* winogradWeights(w, oc, c1 + c2, v, weights, room), weights);
}

/** Filters of one block of `winogradWeights`. */
const BLOCK = 512;

/** Blocks between two stops: about 8 ms. */
const BLOCKS_BETWEEN_STOPS = 32;

/** Which filter (o * IC + c) lies at each place of a position's weights, counted from 1; 0 pads. f32 counts to 2^24. */
function filterOrder(oc: number, ic: number, v: Winograd, room: Room): Float32Array {
  const k = depthOf(ic, v);
  const rows = rowsOf(oc, v);
  const order = room(rows * k).fill(0);
  const place = placeOf(rows, k, v);
  for (let o = 0; o < oc; o++) for (let c = 0; c < ic; c++) order[place(o, c)] = o * ic + c + 1;
  return order;
}

/** Where the weight of output channel o and input channel c lies. */
function placeOf(rows: number, k: number, { product }: Winograd): (o: number, c: number) => number {
  if (product === "stationary") return stationaryPlace(rows, k);
  return product === "tile" ? (o, c) => c * rows + o : (o, c) => o * k + c;
}

/** Output channels, padded to fours for product/tile. */
const rowsOf = (oc: number, { product }: Winograd): number => (product === "tile" ? ceilDiv(oc, 4) * 4 : oc);

/** The dispatches of a Winograd convolution: for each chunk of tiles, input transforms (x, then the skip), product, output
 *  transform. Shapes are those of ConvTensors.   Lavin & Gray 2016, arXiv:1509.09308 */
function winogradDispatches(io: ConvTensors, s: ConvSizes, o: ConvOptions, v: Winograd, target: Target): Dispatch[] {
  const { m, stride } = v;
  const pad = o.pad === "same" ? 1 : 0;
  const positions = sideOf(v) ** 2;
  const rows = s.oc; // of the sums
  const k = depthOf(s.c1 + s.c2, v);
  const tilesX = ceilDiv(s.ow, m);
  const tilesY = ceilDiv(s.oh, m);
  const tiles = tilesX * tilesY;
  const lane = [4, 2, 1].find((t) => t <= v.tiles && tilesX % t === 0)!; // input tiles a lane transforms
  const aligned = stride === 1 && !o.upsample && pad === 1 && s.w % (m * lane) === 0;
  const whole = s.ow % m === 0 && s.oh % m === 0;
  const together = whole && v.product !== "tile" && tilesX % 2 === 0 ? 2 : 1; // output tiles of a lane
  const tileN = stationaryTile(tiles);
  const unit = { stationary: 4 * tileN, quad: 4, any: Math.max(lane, together), tile: 4 }[v.product];
  // product/stationary adds in an order that depends on the column: a sample has the same ones in any batch.
  const sample = v.product === "stationary" ? ceilDiv(tiles, unit) * unit : tiles;
  const columns = ceilDiv(s.n * sample, unit) * unit;
  const scratchBytes = v.scratchBytes ?? scratchLimit(target, 4 * positions * Math.max(k, rows) * sample);
  const most = Math.max(unit, Math.floor(scratchBytes / (positions * Math.max(k, rows) * 4 * unit)) * unit);
  const chunk = ceilDiv(ceilDiv(columns, ceilDiv(columns, most)), unit) * unit;
  const name = io.y.name;
  const dispatches: Dispatch[] = [];
  for (let start = 0; start < columns; start += chunk) {
    const suffix = chunk < columns ? `${start / chunk}` : "";
    const cols = Math.min(chunk, columns - start);
    const transformed = f32(`${name}/tiles${suffix}`, positions, k, cols);
    const sums = f32(`${name}/sums${suffix}`, positions, rows, cols);
    const where = {
      TILES_X: tilesX,
      SAMPLE: sample,
      COL_START: start,
      COLS: cols,
      M: m,
      STRIDE: stride,
      ...(io.weight.dtype === "f16" && { NARROW: 1 }),
    };
    const channels = s.c1 + s.c2;
    const part = (suffix: string, x: Tensor, start: number, end: number): Dispatch => ({
      label: `${name}/${suffix}`,
      shader: "conv/winograd_input",
      constants: {
        ...where,
        N: s.n,
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
        CLAMPED: Number(v.product === "tile"), // on GPUs
        UPSAMPLE: o.upsample ? 2 : 1,
        PAD: pad,
        TILES: lane,
        ALIGNED: Number(aligned),
        X_UNIT: aligned ? m * lane : 1,
      },
      bindings: [read(x), read(io.norm ?? words(io.weight)), write(transformed)],
      workgroups: grid1d(ceilDiv((cols / lane) * (end - start), 64)),
    });
    const inputs = io.skip
      ? [part("input", io.x, 0, s.c1), part("skip", io.skip, s.c1, k)]
      : [part("input", io.x, 0, k)];
    const weight = io.weight.dtype === "f16" ? words(io.weight) : io.weight;
    const operands = [read(weight), read(transformed), write(sums)] as const;
    const product = {
      m: s.oc,
      n: cols,
      k,
      batches: positions,
      inner: 1,
      a: { start: 0, outer: k * rowsOf(s.oc, v), inner: 0 },
      b: { start: 0, outer: k * cols, inner: 0 },
    };
    dispatches.push(...inputs, multiply(`${name}/gemm`, operands, product, v, tileN, sample, target), {
      label: `${name}/output`,
      shader: "conv/winograd_output",
      constants: {
        ...where,
        ...afterConstants(io, s),
        TILES_Y: tilesY,
        ROWS: rows,
        OH: s.oh,
        OW: s.ow,
        TILES: together,
        WHOLE: Number(whole),
        Y_UNIT: whole ? m * together : 1,
      },
      bindings: [...afterBindings(io), read(sums)],
      workgroups: grid1d(ceilDiv((cols / together) * s.oc, 64)),
    });
  }
  return dispatches;
}

function multiply(
  label: string,
  operands: Parameters<typeof gemmAny>[1],
  product: Omit<GemmShape, "aColumns">,
  v: Winograd,
  tileN: StationaryTile,
  sampleColumns: number,
  { maxLanes }: Target,
): Dispatch {
  const { m, batches } = product;
  switch (v.product) {
    case "stationary":
      return gemmStationary(label, operands, product, { tileN, packed: true });
    case "quad":
      return gemmQuad(label, operands, { ...product, aColumns: false });
    case "any":
      return gemmAny(label, operands, { ...product, aColumns: false });
    case "tile": {
      const tile = v.tile ?? chooseGemmTile(m, sampleColumns, product.k, batches, maxLanes);
      return gemmTile(label, operands, { ...product, aColumns: true }, tile);
    }
    default:
      return v.product satisfies never;
  }
}
