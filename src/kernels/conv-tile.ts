import { type ConvSizes, type ConvTensors, inputConstants, outputBindings, outputConstants } from "./conv-io";
import { MATRIX_LANES, matrixShader } from "./conv-matrix";
import { convNormalised } from "./conv-normalised";
import { ceilDiv, type Dispatch, f32, grid1d, read, type Tensor, write } from "./dispatch";
import { packed } from "./packing";
import { chooseConvTile, lanesOf, tileConstants, workgroupsOf } from "./tiles";
import type { Dtype, TileVariant } from "./variants";

/** Channels whose weights belong together: one step, or half of one. */
const DEPTH = 16;
const DEEP = 32;

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

/** Whether a step can be twice as deep: the weights of so many channels lie together, and there are so many. */
export const isDeep = (kernel: 1 | 3, ic: number): boolean => kernel === 1 && ceilDiv(ic, DEPTH) % 2 === 0;

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
  const deep = isDeep(o.kernel, c1 + c2);
  const tile = o.variant.tile ?? chooseConvTile(oc, pixels, deep);
  const depth = matrix?.depth ?? (deep && tile.slices ? DEEP : DEPTH);
  const workgroups = workgroupsOf(oc, pixels, tile);
  const lanes = matrix ? MATRIX_LANES : lanesOf(tile);
  const steps = ceilDiv(c1 + c2, depth) * o.kernel ** 2;
  const splits = o.variant.splits ?? chooseSplits(workgroups, lanes, steps);
  const after = outputConstants(io);
  const parts = f32(`${io.y.name}/parts`, splits, n, oc, oh, ow);
  const [bias, temb, residual, y] = outputBindings(io);
  const { shader, constants } = matrix ? matrixShader(matrix) : { shader: "conv_tile", constants: tileConstants(tile) };
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
      shader: "sum_splits",
      constants: { N: n, OC: oc, PLANE: oh * ow, SPLITS: splits, ...after },
      bindings: [read(parts), bias, temb, residual, y],
      workgroups: grid1d(ceilDiv(n * oc * oh * ow, 64)),
    },
  ];
}
