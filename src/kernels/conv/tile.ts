import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, f32, grid1d, read, type Tensor } from "../dispatch";
import {
  chooseConvTile,
  chooseGemmTile,
  lanesOf,
  slicedConstants,
  type Tile,
  tileConstants,
  tileName,
  workgroupsOf,
} from "../product/tiles";
import type { Target } from "../target";
import { afterBindings, afterConstants, type ConvSizes, type ConvTensors, convBindings, convConstants } from "./io";
import { packed, stops } from "./packing";
import { type ConvOptions, type ConvShape, type ConvVariant, outputSides, whole } from "./variant";

/** Channels whose weights belong together: one step of conv/tile. */
export const DEPTH = 16;

/** Lanes below which a GPU has idle cores. */
const ENOUGH_LANES = 2 ** 15;

/** Steps below which a part of the channels is not worth a workgroup of its own. */
const LEAST_STEPS = 4;

/** Number of parts of the channels that fill a GPU where there are too few tiles. */
function chooseSplits(workgroups: number, lanes: number, steps: number): number {
  const wanted = ceilDiv(ENOUGH_LANES, workgroups * lanes);
  return Math.max(1, Math.min(wanted, 16, Math.floor(steps / LEAST_STEPS)));
}

/** Pixels of a GPU that cost as much as reading a weight. As an H100 measured it: F(2,3) is faster than an implicit product
 *  from 8 x 8 pixels on, F(4,3) faster than F(2,3) at 32 x 32 and slower at 16 x 16. */
export const WEIGHT_COST = 45;

/** A software adapter gathers through workgroup memory, where each access costs as much as one of storage. */
const SOFTWARE_COST = 60;

/** Estimated time of an implicit product: of its multiply-adds, and of reading its weights. With stride 2, half of what is
 *  gathered goes unused. */
export function implicitCost(s: ConvShape, t: Target, multiplyAdd = 1): number {
  const [oh, ow] = outputSides(s);
  const depth = s.kernel ** 2 * whole(s.c1 + s.c2, DEPTH);
  if (t.adapterClass === "software") return depth * s.oc * oh * ow * SOFTWARE_COST;
  return depth * s.oc * (multiplyAdd * s.stride * oh * ow + WEIGHT_COST);
}

/** The packed weights [ceil(IC / 16), taps, 16, OC rounded up to fours], the same for every tile. */
export const implicitWeights: Pick<ConvVariant, "weight" | "packing"> = {
  weight: (name, { kernel, c1, c2, oc }, t): Tensor => ({
    name,
    shape: [ceilDiv(c1 + c2, DEPTH), kernel ** 2, DEPTH, whole(oc, 4)],
    dtype: t.weights,
  }),
  *packing(w, { kernel, c1, c2, oc }, t) {
    const taps = kernel ** 2;
    const ic = c1 + c2;
    const width = whole(oc, 4);
    const out = new Float32Array(ceilDiv(ic, DEPTH) * taps * DEPTH * width);
    for (let c = 0, stop = stops(oc * taps); c < ic; c++) {
      if (stop()) yield;
      for (let tap = 0; tap < taps; tap++) {
        const row = ((Math.floor(c / DEPTH) * taps + tap) * DEPTH + (c % DEPTH)) * width;
        for (let o = 0; o < oc; o++) out[row + o] = w[(o * ic + c) * taps + tap]!;
      }
    }
    return yield* packed(out, t.weights);
  },
};

/** Options in which implicit products differ: how a workgroup computes its tile. */
export interface ImplicitProduct {
  readonly shader: string;
  readonly constants: Readonly<Record<string, number | string>>;
  readonly tile: Tile;
  readonly lanes: number;
  /** Channels of a step. */
  readonly depth: number;
  /** Its pixels, where they are a block of one sample. Splits are then of whole steps of channels, with all their taps. */
  readonly block?: { readonly height: number; readonly width: number };
  readonly splits?: number | undefined;
}

/** The dispatches of an implicit product; a second one adds the parts where the channels are split. */
export function implicitDispatches(io: ConvTensors, sizes: ConvSizes, o: ConvOptions, p: ImplicitProduct): Dispatch[] {
  const { n, c1, c2, oc, h, w, oh, ow } = sizes;
  const workgroups = (samples: number) =>
    p.block
      ? ceilDiv(oc, p.tile.tileM) * samples * ceilDiv(oh, p.block.height) * ceilDiv(ow, p.block.width)
      : workgroupsOf(oc, samples * oh * ow, p.tile);
  const chunks = ceilDiv(c1 + c2, p.depth);
  // By one sample: its sums are split alike in any batch.
  const wanted = p.splits ?? chooseSplits(workgroups(1), p.lanes, chunks * o.kernel ** 2);
  const splits = p.block ? Math.min(wanted, chunks) : wanted;
  const parts = f32(`${io.y.name}/parts`, splits, n, oc, oh, ow);
  const product: Dispatch = {
    label: splits > 1 ? parts.name : io.y.name,
    shader: p.shader,
    constants: {
      ...convConstants(io, sizes, o.silu),
      H: h,
      W: w,
      OH: oh,
      OW: ow,
      PAD: o.kernel === 3 && o.pad === "same" ? 1 : 0,
      KERNEL: o.kernel,
      STRIDE: o.stride,
      UPSAMPLE: o.upsample ? 2 : 1,
      SPLITS: splits,
      DEPTH: p.depth,
      ...p.constants,
    },
    bindings: convBindings(splits > 1 ? { ...io, y: parts } : io),
    workgroups: grid1d(workgroups(n) * splits),
  };
  if (splits === 1) return [product];
  return [
    product,
    {
      label: io.y.name,
      shader: "conv/sum_splits",
      constants: { ...afterConstants(io, sizes), PLANE: oh * ow, SPLITS: splits },
      bindings: [...afterBindings(io), read(parts)],
      workgroups: grid1d(ceilDiv(n * oc * oh * ow, 64)),
    },
  ];
}

/** Matrix product for GPUs: implicit, in workgroup memory (shaders/conv/tile.wgsl), or of a 1x1 convolution too small to fill
 *  one, straight from memory (shaders/conv/sliced.wgsl).
 *  @param o tile, splits: where they should not suit the sizes */
export const tile = (o: { tile?: Tile; splits?: number } = {}): ConvVariant => ({
  name: o.tile ? `tile ${tileName(o.tile)}` : "tile",
  tolerance: () => 2e-5,
  runs: () => true,
  cost: (s, t) => implicitCost(s, t) * (o.tile ? 1.1 : 1),
  ...implicitWeights,
  dispatches(io, sizes, options, { maxLanes }) {
    const { n, c1, c2, oc, oh, ow } = sizes;
    const pixels = n * oh * ow;
    if (options.kernel === 1 && [oh * ow, c1, c2].every((size) => size % 4 === 0)) {
      const sliced = o.tile ?? chooseGemmTile(oc, oh * ow, c1 + c2, 1, maxLanes);
      if (sliced.slices)
        return [
          {
            label: io.y.name,
            shader: "conv/sliced",
            constants: {
              ...convConstants(io, sizes, options.silu),
              ...slicedConstants(sliced, c1, c2),
            },
            bindings: convBindings(io),
            workgroups: grid1d(workgroupsOf(oc, pixels, sliced)),
          },
        ];
    }
    const chosen = o.tile ?? chooseConvTile(oc, oh * ow);
    if (lanesOf(chosen) > (DEPTH * chosen.tileM) / 4)
      throw new ShapeError(
        `conv/tile: tile ${tileName(chosen)} has more lanes than fours of weights a step; take fewer slices`,
      );
    return implicitDispatches(io, sizes, options, {
      shader: "conv/tile",
      constants: { ...tileConstants(chosen), SLICES: chosen.slices ?? 1 },
      tile: chosen,
      lanes: lanesOf(chosen),
      depth: DEPTH,
      splits: o.splits,
    });
  },
});
