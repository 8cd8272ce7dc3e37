import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, expectShape, grid1d, read, type Tensor } from "../dispatch";
import { evenTile, ROWS_TO_HOLD, stationaryDepth, stationaryPlace, stationaryTasks } from "../product/stationary";
import { type ConvTensors, convSizes, inputBindings, inputConstants, outputBindings, outputConstants } from "./io";
import { convNormalised } from "./normalised";
import { packed, quadTiles, REGISTER_TILE, tileHeight } from "./packing";
import { convTile, packTile, tileVariant, tileWeight } from "./tile";
import type { Conv1x1Variant, ConvShape, Target } from "./variants";

/** The variant for a shape on a target; `shape.stride` and `shape.upsample` do not matter. */
export function chooseConv1x1({ c1, c2, oc, h, w }: ConvShape, target: Target): Conv1x1Variant {
  const { weights } = target;
  if (target.adapterClass === "gpu") return tileVariant(target);
  if (target.subgroups && oc >= ROWS_TO_HOLD && evenTile(h * w)) return { kind: "stationary", weights };
  if (target.subgroups && (h * w) % 4 === 0 && (c2 === 0 || c1 % 4 === 0))
    return { kind: "quad", weights, tileM: tileHeight(oc, REGISTER_TILE / 4) };
  return { kind: "any", weights, tileM: Math.min(8, oc) };
}

const depth = (channels: number): number => ceilDiv(channels, 4) * 4;

/** The weights in the variant's layout.   w: [OC, IC] */
export function packConv1x1(w: Float32Array, oc: number, ic: number, variant: Conv1x1Variant): Uint8Array<ArrayBuffer> {
  if (w.length !== oc * ic) throw new ShapeError(`${w.length} weights, needed ${oc} x ${ic}`);
  if (variant.kind === "tile") return packTile(w, oc, ic, 1, variant.weights);
  if (variant.kind === "stationary") {
    const k = stationaryDepth(ic);
    const place = stationaryPlace(oc, k);
    const out = new Float32Array(oc * k);
    for (let o = 0; o < oc; o++) for (let c = 0; c < ic; c++) out[place(o, c)] = w[o * ic + c]!;
    return packed(out, variant.weights);
  }
  const k = depth(ic);
  const rows = new Float32Array(oc * k);
  for (let o = 0; o < oc; o++) rows.set(w.subarray(o * ic, (o + 1) * ic), o * k);
  return packed(variant.kind === "quad" ? quadTiles(rows, oc, k, variant.tileM, 4) : rows, variant.weights);
}

/** The packed tensor that the variant reads. */
export function conv1x1Weight(name: string, oc: number, ic: number, variant: Conv1x1Variant): Tensor {
  if (variant.kind === "tile") return tileWeight(name, oc, ic, 1, variant.weights);
  if (variant.kind === "stationary") return { name, shape: [stationaryDepth(ic), oc], dtype: variant.weights };
  const rows = variant.kind === "quad" ? ceilDiv(oc, variant.tileM) * variant.tileM : oc;
  return { name, shape: [rows, depth(ic)], dtype: variant.weights };
}

/** 1x1 convolution of [x, skip], with normalisation and SiLU before it, and bias, time embedding and residual after it.
 *  Shapes are those of ConvTensors, with OH = H and OW = W.   @throws ShapeError where tensors do not fit. */
export function conv1x1(io: ConvTensors, options: { silu?: boolean; variant: Conv1x1Variant }): Dispatch[] {
  const { silu = false, variant } = options;
  const sizes = convSizes(io);
  const { n, c1, c2, oc, h, w } = sizes;
  expectShape(io.y, n, oc, h, w);
  expectShape(io.weight, ...conv1x1Weight("", oc, c1 + c2, variant).shape);
  if (variant.kind === "tile")
    return convTile(io, sizes, { kernel: 1, stride: 1, pad: 0, upsample: false, silu, variant });
  const pixels = h * w;
  if (variant.kind === "stationary") {
    const tile = evenTile(pixels);
    if (!tile) throw new ShapeError(`${io.y.name}: ${pixels} pixels, needed a multiple of 8`);
    const k = stationaryDepth(c1 + c2);
    const { tasks, ...held } = stationaryTasks(oc, k, (pixels / (4 * tile)) * n, tile);
    return [
      {
        label: io.y.name,
        shader: "conv/stationary",
        constants: {
          N: n,
          C1: c1,
          C2: c2,
          OC: oc,
          P: pixels,
          K: k,
          ...inputConstants(io, silu),
          ...outputConstants(io),
          ...held,
          JOINED: Number(c2 > 0),
          PER_WORD: variant.weights === "f16" ? 2 : 1,
        },
        bindings: [...inputBindings(io), read(io.weight), ...outputBindings(io)],
        workgroups: grid1d(tasks),
      },
    ];
  }
  const { kind, tileM, weights } = variant;
  // Normalised on the fly, an input is normalised again for every tile of output channels.
  if (io.norm?.shape[0] === n && oc > 2 * tileM)
    return convNormalised(io, silu, (plain) => conv1x1(plain, { variant }));
  if (kind === "quad" && (pixels % 4 !== 0 || (c2 > 0 && c1 % 4 !== 0)))
    throw new ShapeError(`${io.y.name}: ${pixels} pixels, ${c1} channels before the skip; needed multiples of 4`);
  const tiles = ceilDiv(oc, tileM) * ceilDiv(pixels, kind === "quad" ? 16 : 4) * n;
  const workgroup = kind === "quad" ? 16 : 64;
  return [
    {
      label: io.y.name,
      shader: kind === "quad" ? "conv/direct_1x1_quad" : "conv/direct_1x1",
      constants: {
        N: n,
        C1: c1,
        C2: c2,
        OC: oc,
        P: pixels,
        ...inputConstants(io, silu),
        ...outputConstants(io),
        WG: workgroup,
        ...(kind === "quad" && { PARTS: c2 > 0 ? 2 : 1 }),
        TILE_M: tileM,
        PER_WORD: weights === "f16" ? 2 : 1,
      },
      bindings: [...inputBindings(io), read(io.weight), ...outputBindings(io)],
      workgroups: grid1d(ceilDiv(tiles, kind === "quad" ? workgroup / 4 : workgroup)),
    },
  ];
}
