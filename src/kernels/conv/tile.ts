import { ceilDiv, type Dispatch, f32, grid1d, read, type Tensor, write } from "../dispatch";
import {
  chooseConvTile,
  chooseGemmTile,
  lanesOf,
  slicedConstants,
  type Tile,
  tileConstants,
  workgroupsOf,
} from "../product/tiles";
import { type ConvSizes, type ConvTensors, inputBindings, inputConstants, outputBindings, outputConstants } from "./io";
import { MATRIX_LANES, matrixShader } from "./matrix";
import { convNormalised } from "./normalised";
import { packed } from "./packing";
import type { Dtype, Target, TileVariant } from "./variants";

/** Channels whose weights belong together: one step of conv_tile. */
const DEPTH = 16;

/** Lanes below which a GPU has idle cores. */
const ENOUGH_LANES = 2 ** 15;

/** Steps below which a part of the channels is not worth a workgroup of its own. */
const LEAST_STEPS = 4;

/** As many parts of the channels as it takes to keep a GPU busy where the tiles alone do not. */
function chooseSplits(workgroups: number, lanes: number, steps: number): number {
  const wanted = ceilDiv(ENOUGH_LANES, workgroups * lanes);
  return Math.max(1, Math.min(wanted, 16, Math.floor(steps / LEAST_STEPS)));
}

/** Weights [ceil(IC / 16), taps, 16, OC rounded up to fours], the same for every tile.   w: [OC, IC, taps] */
export function packTile(w: Float32Array, oc: number, ic: number, taps: number, dtype: Dtype): Uint8Array<ArrayBuffer> {
  const width = ceilDiv(oc, 4) * 4;
  const out = new Float32Array(ceilDiv(ic, DEPTH) * taps * DEPTH * width);
  for (let c = 0; c < ic; c++)
    for (let tap = 0; tap < taps; tap++) {
      const row = ((Math.floor(c / DEPTH) * taps + tap) * DEPTH + (c % DEPTH)) * width;
      for (let o = 0; o < oc; o++) out[row + o] = w[(o * ic + c) * taps + tap]!;
    }
  return packed(out, dtype);
}

export const tileWeight = (name: string, oc: number, ic: number, taps: number, dtype: Dtype): Tensor => ({
  name,
  shape: [ceilDiv(ic, DEPTH), taps, DEPTH, ceilDiv(oc, 4) * 4],
  dtype,
});

/** The tile suits the sizes. */
export const tileVariant = ({ weights, maxLanes }: Target): TileVariant => ({
  kind: "tile",
  weights,
  ...(maxLanes && { maxLanes }),
});

export function convTile(
  io: ConvTensors,
  sizes: ConvSizes,
  o: { kernel: 1 | 3; stride: number; pad: number; upsample: boolean; silu: boolean; variant: TileVariant },
): Dispatch[] {
  const { weights, matrix } = o.variant;
  const { n, c1, c2, oc, h, w, oh, ow } = sizes;
  if (matrix && io.norm?.shape[0] === n)
    return convNormalised(io, o.silu, (plain) =>
      convTile(plain, { ...sizes, c1: c1 + c2, c2: 0 }, { ...o, silu: false }),
    );
  const pixels = n * oh * ow;
  if (o.kernel === 1 && !matrix && [oh * ow, c1, c2].every((size) => size % 4 === 0)) {
    const tile = o.variant.tile ?? chooseGemmTile(oc, pixels, c1 + c2, 1, o.variant.maxLanes);
    if (tile.slices) return [conv1x1Sliced(io, sizes, { silu: o.silu, weights, tile })];
  }
  const tile = o.variant.tile ?? chooseConvTile(oc, pixels);
  const depth = matrix?.depth ?? DEPTH;
  const workgroups = workgroupsOf(oc, pixels, tile);
  const lanes = matrix ? MATRIX_LANES : lanesOf(tile);
  const steps = ceilDiv(c1 + c2, depth) * o.kernel ** 2;
  const splits = o.variant.splits ?? chooseSplits(workgroups, lanes, steps);
  const after = outputConstants(io);
  const parts = f32(`${io.y.name}/parts`, splits, n, oc, oh, ow);
  const [bias, temb, residual, y] = outputBindings(io);
  const { shader, constants } = matrix
    ? matrixShader(matrix)
    : { shader: "conv/tile", constants: { ...tileConstants(tile), SLICES: tile.slices ?? 1 } };
  const product: Dispatch = {
    label: splits > 1 ? parts.name : io.y.name,
    shader,
    constants: {
      N: n,
      C1: c1,
      C2: c2,
      OC: oc,
      H: h,
      W: w,
      OH: oh,
      OW: ow,
      PAD: o.pad,
      ...inputConstants(io, o.silu),
      ...after,
      KERNEL: o.kernel,
      STRIDE: o.stride,
      UPSAMPLE: o.upsample ? 2 : 1,
      PER_WORD: weights === "f16" ? 2 : 1,
      SPLITS: splits,
      DEPTH: depth,
      ...constants,
    },
    // norm and weights are read four at a time, and where there is no norm any tensor of whole fours will do.
    bindings: [
      read(io.x),
      read(io.skip ?? io.x),
      read(io.norm ?? io.weight),
      read(io.weight),
      bias,
      temb,
      residual,
      splits > 1 ? write(parts) : y,
    ],
    workgroups: grid1d(workgroups * splits),
  };
  if (splits === 1) return [product];
  return [
    product,
    {
      label: io.y.name,
      shader: "conv/sum_splits",
      constants: { N: n, OC: oc, PLANE: oh * ow, SPLITS: splits, ...after },
      bindings: [read(parts), bias, temb, residual, y],
      workgroups: grid1d(ceilDiv(n * oc * oh * ow, 64)),
    },
  ];
}

/** Pixels and channels in fours. */
function conv1x1Sliced(
  io: ConvTensors,
  { n, c1, c2, oc, h, w }: ConvSizes,
  { silu, weights, tile }: { silu: boolean; weights: Dtype; tile: Tile },
): Dispatch {
  return {
    label: io.y.name,
    shader: "conv/sliced",
    constants: {
      N: n,
      C1: c1,
      C2: c2,
      OC: oc,
      P: h * w,
      ...inputConstants(io, silu),
      ...outputConstants(io),
      PER_WORD: weights === "f16" ? 2 : 1,
      ...slicedConstants(tile, c1, c2),
    },
    bindings: [...inputBindings(io), read(io.weight), ...outputBindings(io)],
    workgroups: grid1d(workgroupsOf(oc, n * h * w, tile)),
  };
}
