import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, f32, grid1d, read, type Tensor, write } from "../dispatch";
import { type GemmShape, gemmAny, gemmQuad, gemmStationary, gemmTile } from "../product/gemm";
import { heldCost, type StationaryTile, stationaryTile } from "../product/stationary";
import { chooseGemmTile, type Tile, tileName } from "../product/tiles";
import type { Dtype, Target } from "../target";
import { afterBindings, afterConstants, type ConvSizes, type ConvTensors, words } from "./io";
import { scratchLimit } from "./packing";
import { implicitCost, WEIGHT_COST } from "./tile";
import { type ConvOptions, type ConvShape, type ConvVariant, outputSides, whole } from "./variant";
import {
  depthOf,
  packWinograd,
  positionsOf,
  rowsOf,
  sideOf,
  transformFilters,
  type WinogradDomain,
} from "./winograd-weights";

/** How a Winograd convolution F(m x m, 3 x 3) is computed, in three dispatches: transform the input tiles, multiply in the
 *  transform domain, transform the sums back.   Lavin & Gray 2016, arXiv:1509.09308 */
interface Winograd extends WinogradDomain {
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

/** Positions of a tile: products that it takes. */
const positionsIn = (v: WinogradDomain, s: Pick<ConvShape, "upsample">, weights: Dtype): number =>
  sideOf(positionsOf(v, s, weights)) ** 2;

/** Winograd convolution F(m x m, 3 x 3).
 *  f16 weights are rounded once they are transformed, so `exact` has none of it, nor has a software adapter with subgroups.
 *  @param o tiles, tile, scratchBytes: where they should not suit the shape and target */
export function winograd(o: Pick<Winograd, "m" | "stride" | "product"> & Partial<Winograd>): ConvVariant {
  // Parts of equal parity share no input, and lanes of a GPU are many.
  const v: Winograd = { tiles: o.stride === 2 || o.product === "tile" ? 1 : 4, ...o };
  const { m, stride, product } = v;
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
      const positions = positionsIn(v, s, t.weights);
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
    weight: (name, s, t): Tensor => {
      const [rows, k] = [rowsOf(s.oc, v), depthOf(s.c1 + s.c2, v)];
      const positions = positionsIn(v, s, t.weights);
      return { name, shape: [positions, ...(product === "tile" ? [k, rows] : [rows, k])], dtype: t.weights };
    },
    packing: (w, shape, t, room) => packWinograd(w, shape, positionsOf(v, shape, t.weights), t.weights, room),
    transform: (w, u, shape) => transformFilters(w, u, shape, positionsOf(v, shape, "f32")),
    dispatches(io, sizes, options, t) {
      if (options.stride !== stride || (options.upsample && stride === 2) || (options.pad !== "same" && stride === 1))
        throw new ShapeError(
          `${io.y.name}: these weights are for stride ${stride}, and padding all round with stride 1`,
        );
      return winogradDispatches(io, sizes, options, v, t);
    },
  };
}

/** The dispatches of a Winograd convolution: for each chunk of tiles, input transforms (x, then the skip), product, output
 *  transform. Shapes are those of ConvTensors.   Lavin & Gray 2016, arXiv:1509.09308 */
function winogradDispatches(io: ConvTensors, s: ConvSizes, o: ConvOptions, v: Winograd, target: Target): Dispatch[] {
  const { m, stride } = v;
  const pad = o.pad === "same" ? 1 : 0;
  const narrow = io.weight.dtype === "f16";
  const domain = positionsOf(v, o, narrow ? "f16" : "f32");
  const positions = sideOf(domain) ** 2;
  const rows = s.oc; // of the sums
  const k = depthOf(s.c1 + s.c2, v);
  const tilesX = ceilDiv(s.ow, m);
  const tilesY = ceilDiv(s.oh, m);
  const tiles = tilesX * tilesY;
  const tilesIn = [4, 2, 1].find((t) => t <= v.tiles && tilesX % t === 0)!; // input tiles of a lane
  const aligned = stride === 1 && !o.upsample && pad === 1 && s.w % (m * tilesIn) === 0;
  const whole = s.ow % m === 0 && s.oh % m === 0;
  // Output tiles of a lane. With two of F(4,3), the code outgrows a core's instruction cache.
  const tilesOut = m === 2 && whole && v.product !== "tile" && tilesX % 2 === 0 ? 2 : 1;
  // Lanes of a transform's workgroup. Each workgroup costs a software adapter 1 to 7 us beside its work; with fewer of them,
  // a machine of many cores would have some with nothing to do.
  const lanes = v.product === "tile" ? 64 : 128;
  const tileN = stationaryTile(tiles);
  const unit = { stationary: 4 * tileN, quad: 4, any: Math.max(tilesIn, tilesOut), tile: 4 }[v.product];
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
      WG: lanes,
      TILES_X: tilesX,
      SAMPLE: sample,
      COL_START: start,
      COLS: cols,
      M: m,
      STRIDE: stride,
      ...(narrow && { NARROW: 1 }),
      ...(domain.doubled && { DOUBLED: 1 }),
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
        BUILT_IN: Number(v.product === "tile"), // on GPUs
        UPSAMPLE: o.upsample ? 2 : 1,
        PAD: pad,
        TILES: tilesIn,
        ALIGNED: Number(aligned),
        X_UNIT: aligned ? m * tilesIn : 1,
      },
      bindings: [read(x), read(io.norm ?? words(io.weight)), write(transformed)],
      workgroups: grid1d(ceilDiv((cols / tilesIn) * (end - start), lanes)),
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
        TILES: tilesOut,
        WHOLE: Number(whole),
        Y_UNIT: whole ? m * tilesOut : 1,
      },
      bindings: [...afterBindings(io), read(sums)],
      workgroups: grid1d(ceilDiv((cols / tilesOut) * s.oc, lanes)),
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
