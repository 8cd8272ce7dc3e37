import {
  type ConvSizes,
  type ConvTensors,
  inputBindings,
  inputConstants,
  outputBindings,
  outputConstants,
} from "./conv-io";
import { matrixShader } from "./conv-matrix";
import { ceilDiv, type Dispatch, grid1d, read, type Tensor } from "./dispatch";
import { packed } from "./packing";
import type { Dtype, TileVariant } from "./variants";

/** The tile for a GPU: 128 channels where there are as many, else 64, or 16 and 32 for the few of a first or last layer. */
export const chooseTile = (oc: number, weights: Dtype): TileVariant => ({
  kind: "tile",
  weights,
  tileM: [16, 32, 64].find((rows) => oc <= rows) ?? (oc % 128 === 0 ? 128 : 64),
});

/** Weights [IC * taps, OC padded to the tile].   w: [OC, IC, taps] */
export function packTile(w: Float32Array, oc: number, depth: number, v: TileVariant): Uint8Array<ArrayBuffer> {
  const width = ceilDiv(oc, v.tileM) * v.tileM;
  const out = new Float32Array(depth * width);
  for (let o = 0; o < oc; o++) for (let k = 0; k < depth; k++) out[k * width + o] = w[o * depth + k]!;
  return packed(out, v.weights);
}

export const tileWeight = (name: string, oc: number, depth: number, { tileM, weights }: TileVariant): Tensor => ({
  name,
  shape: [depth, ceilDiv(oc, tileM) * tileM],
  dtype: weights,
});

export function convTile(
  io: ConvTensors,
  { n, c1, c2, oc, h, w, oh, ow }: ConvSizes,
  o: { kernel: 1 | 3; stride: number; pad: number; upsample: boolean; silu: boolean; variant: TileVariant },
): Dispatch {
  const { tileM, weights, matrix } = o.variant;
  const { shader, constants, pixels } = matrix
    ? matrixShader(matrix)
    : { shader: "conv_tile", constants: {}, pixels: 64 };
  return {
    label: io.y.name,
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
      ...outputConstants(io),
      KERNEL: o.kernel,
      STRIDE: o.stride,
      UPSAMPLE: o.upsample ? 2 : 1,
      TILE_M: tileM,
      PER_WORD: weights === "f16" ? 2 : 1,
      ...constants,
    },
    bindings: [...inputBindings(io), read(io.weight), ...outputBindings(io)],
    workgroups: grid1d(ceilDiv(oc, tileM) * ceilDiv(n * oh * ow, pixels)),
  };
}
