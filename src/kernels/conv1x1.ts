import { ShapeError } from "../errors";
import { type ConvTensors, convSizes, inputBindings, inputConstants, outputBindings, outputConstants } from "./conv-io";
import { ceilDiv, type Dispatch, expectShape, grid1d, read, type Tensor } from "./dispatch";
import { type ConvShape, type Dtype, packed, type Target, tileHeight } from "./variants";

/** How a 1x1 convolution is computed, and so how its weights are packed. Plain data. */
export interface Conv1x1Variant {
  readonly kind: "tile";
  readonly weights: Dtype;
  readonly subgroups: boolean;
  readonly tileM: number;
  readonly tileN: number;
}

/** The variant for a shape on a target; `shape.stride` and `shape.upsample` do not matter. */
export function chooseConv1x1({ oc, h, w }: ConvShape, target: Target): Conv1x1Variant {
  return {
    kind: "tile",
    weights: target.weights,
    subgroups: target.subgroups,
    tileM: tileHeight(oc, 32),
    tileN: Math.min(4, ceilDiv(h * w, 4)),
  };
}

const depth = (channels: number): number => ceilDiv(channels, 4) * 4;

/** The weights in the variant's layout.   w: [OC, IC] */
export function packConv1x1(w: Float32Array, oc: number, ic: number, variant: Conv1x1Variant): Uint8Array<ArrayBuffer> {
  if (w.length !== oc * ic) throw new ShapeError(`${w.length} weights, needed ${oc} x ${ic}`);
  const k = depth(ic);
  const rows = new Float32Array(oc * k);
  for (let o = 0; o < oc; o++) rows.set(w.subarray(o * ic, (o + 1) * ic), o * k);
  return packed(rows, variant.weights);
}

/** The packed tensor that the variant reads. */
export const conv1x1Weight = (name: string, oc: number, ic: number, variant: Conv1x1Variant): Tensor => ({
  name,
  shape: [oc, depth(ic)],
  dtype: variant.weights,
});

/** 1x1 convolution of [x, skip], with normalisation and SiLU before it, and bias, time embedding and residual after it.
 *  Shapes are those of ConvTensors, with OH = H and OW = W.   @throws ShapeError where tensors do not fit. */
export function conv1x1(io: ConvTensors, options: { silu?: boolean; variant: Conv1x1Variant }): Dispatch[] {
  const { silu = false, variant } = options;
  const { n, c1, c2, oc, h, w } = convSizes(io);
  expectShape(io.y, n, oc, h, w);
  expectShape(io.weight, ...conv1x1Weight("", oc, c1 + c2, variant).shape);
  const { tileM, tileN, weights } = variant;
  const tiles = ceilDiv(oc, tileM) * ceilDiv(h * w, 4 * tileN) * n;
  return [
    {
      label: io.y.name,
      shader: "conv1x1_quad",
      constants: {
        N: n,
        C1: c1,
        C2: c2,
        OC: oc,
        P: h * w,
        ...inputConstants(io, silu),
        ...outputConstants(io),
        WG: 16,
        TILE_M: tileM,
        TILE_N: tileN,
        PER_WORD: weights === "f16" ? 2 : 1,
      },
      bindings: [...inputBindings(io), read(io.weight), ...outputBindings(io)],
      workgroups: grid1d(ceilDiv(tiles, 4)),
    },
  ];
}
