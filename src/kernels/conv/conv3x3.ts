import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, expectShape, grid1d, read, type Tensor } from "../dispatch";
import { ROWS_TO_HOLD, stationaryCost } from "../product/stationary";
import { type ConvTensors, convSizes, inputBindings, inputConstants, outputBindings, outputConstants } from "./io";
import { defaultPadding, outputSize, type Padding } from "./output-size";
import { packed, quadTiles, scratchLimit, tileHeight } from "./packing";
import { convTile, packTile, tileVariant, tileWeight } from "./tile";
import type { ConvShape, ConvVariant, Dtype, Target, WinogradVariant } from "./variants";
import { winograd, winogradShape, winogradWeights } from "./winograd";

/** The variant for a shape on a target.   Measured by `npm run bench` on the software adapter.
 *  f16 weights are stored as they are, never transformed: Winograd would need four times the values, in f32. */
export function chooseConv3x3(shape: ConvShape, target: Target): ConvVariant {
  const { n, c1, c2, oc, stride } = shape;
  const { weights } = target;
  const gpu = target.adapterClass === "gpu";
  const subgroups = target.subgroups && !gpu; // a quad's exchanges are slower there than what they save
  const [oh, ow] = outputSides(shape);
  const tilesOf = (m: number) => ceilDiv(oh, m) * ceilDiv(ow, m); // of a sample
  const m = target.precision === "fast" && stride === 1 ? 4 : 2;
  const transforms = suitsWinograd(shape, weights);
  if (gpu && c1 + c2 >= FEW_CHANNELS) {
    // Below 8 x 8, reading the transformed weights costs more than their arithmetic saves; so does F(4,3)'s below 32 x 32.
    const pixels = oh * ow;
    if (!transforms || pixels < 64) return tileVariant(target);
    return stride === 2 ? { ...winogradOnGpu(2, target), stride } : winogradOnGpu(pixels >= 1024 ? m : 2, target);
  }
  if (transforms && n * tilesOf(2) >= 4) {
    const product = !subgroups ? "any" : oc >= ROWS_TO_HOLD ? "stationary" : "quad";
    // F(2,3) where F(4,3) would not fill a quad of lanes, or the columns that a tile holds.
    const cost = (side: 2 | 4) => (side + 2) ** 2 * stationaryCost(tilesOf(side));
    const side = m === 4 && (product === "stationary" ? cost(4) < cost(2) : n * tilesOf(4) >= 4) ? 4 : 2;
    return {
      kind: "winograd",
      m: side,
      ...(stride === 2 && { stride }),
      weights: "f32",
      tiles: stride === 2 ? 1 : 4, // parts of equal parity share nothing
      scratchBytes: scratchLimit(target),
      product,
    };
  }
  const pair = weights === "f16" ? 2 : 1;
  const most = c1 + c2 < FEW_CHANNELS ? 8 : 16; // 16 is a tenth faster and compiles in twice the time
  const tileM = subgroups ? tileHeight(oc, most, 4 * pair) : Math.min(8, ceilDiv(oc, pair) * pair);
  return {
    kind: "direct",
    weights,
    subgroups,
    tileM,
    tileY: Math.min(4, Math.max(2, oh)),
  };
}

/** Height and width of the output if padded all round, which is never smaller. */
export function outputSides({ h, w, stride, upsample }: ConvShape): [oh: number, ow: number] {
  const out = (size: number) => outputSize(size, { kernel: 3, stride, upsample, pad: "same" });
  return [out(h), out(w)];
}

/** With fewer input channels a convolution is computed directly. */
const FEW_CHANNELS = 16;

/** Whether Winograd can compute a convolution, and its transforms can pay. */
export const suitsWinograd = ({ c1, c2, stride }: ConvShape, weights: Dtype): boolean =>
  weights === "f32" && c1 + c2 >= (stride === 2 ? 2 : 1) * FEW_CHANNELS;

/** F(m, 3) with its products in workgroup memory, under the tile that suits the sizes. */
export const winogradOnGpu = (m: 2 | 4, target: Target): WinogradVariant => ({
  kind: "winograd",
  m,
  weights: "f32",
  product: "tile",
  tiles: 1,
  scratchBytes: scratchLimit(target),
  ...(target.maxLanes && { maxLanes: target.maxLanes }),
});

/** The weights in the variant's layout.   w: OIHW */
export function packConv3x3(w: Float32Array, oc: number, ic: number, variant: ConvVariant): Uint8Array<ArrayBuffer> {
  if (w.length !== oc * ic * 9) throw new ShapeError(`${w.length} weights, needed ${oc} x ${ic} x 3 x 3`);
  switch (variant.kind) {
    case "tile":
      return packTile(w, oc, ic, 9, variant.weights);
    case "winograd":
      return packed(winogradWeights(w, oc, ic, variant), "f32");
    case "direct": {
      if (variant.subgroups) return packed(quadTiles(w, oc, ic * 9, variant.tileM, 9), variant.weights);
      const rows = ceilDiv(oc, variant.tileM) * variant.tileM;
      const out = new Float32Array(ic * 9 * rows);
      for (let o = 0; o < oc; o++)
        for (let c = 0; c < ic; c++)
          for (let y = 0; y < 3; y++)
            for (let x = 0; x < 3; x++) out[((c * 3 + x) * 3 + y) * rows + o] = w[(o * ic + c) * 9 + y * 3 + x]!;
      return packed(out, variant.weights);
    }
    default:
      return variant satisfies never;
  }
}

/** The packed tensor that the variant reads. */
export function conv3x3Weight(name: string, oc: number, ic: number, variant: ConvVariant): Tensor {
  switch (variant.kind) {
    case "tile":
      return tileWeight(name, oc, ic, 9, variant.weights);
    case "winograd":
      return { name, shape: winogradShape(oc, ic, variant), dtype: variant.weights };
    case "direct":
      return { name, shape: [ic, 3, 3, ceilDiv(oc, variant.tileM) * variant.tileM], dtype: variant.weights };
    default:
      return variant satisfies never;
  }
}

export interface Conv3x3Options {
  readonly stride?: 1 | 2;
  /** Enlarge the input x2 (nearest) first. */
  readonly upsample?: boolean;
  /** SiLU on the input, after `norm`. Padding stays 0. */
  readonly silu?: boolean;
  /** same: one pixel all round (default at stride 1); asymmetric: right and bottom only (default at stride 2, as DDPM pads). */
  readonly pad?: Padding;
  readonly variant: ConvVariant;
}

/** 3x3 convolution of [x, skip], with normalisation and SiLU before it, and bias, time embedding and residual after it.
 *  Shapes are those of ConvTensors, with OH = (H * upsample) / stride, rounded up for `same` and down for `asymmetric`.
 *  @throws ShapeError where tensors do not fit. */
export function conv3x3(io: ConvTensors, options: Conv3x3Options): Dispatch[] {
  const { stride = 1, upsample = false, silu = false, variant } = options;
  const pad = options.pad ?? defaultPadding(stride);
  const before = pad === "same" ? 1 : 0; // rows above and columns to the left
  const sizes = convSizes(io);
  const { n, c1, c2, oc, h, w, oh, ow } = sizes;
  const out = (size: number) => outputSize(size, { kernel: 3, stride, upsample, pad });
  expectShape(io.y, n, oc, out(h), out(w));
  expectShape(io.weight, ...conv3x3Weight("", oc, c1 + c2, variant).shape);
  if (variant.kind === "winograd") {
    const { stride: transformed = 1 } = variant;
    if (stride !== transformed || (upsample && stride === 2) || (pad !== "same" && stride === 1))
      throw new ShapeError(
        `${io.y.name}: these weights are for stride ${transformed}, and padding all round with stride 1`,
      );
    return winograd(io, sizes, { silu, upsample, pad: before }, variant);
  }
  if (variant.kind === "tile") return convTile(io, sizes, { kernel: 3, stride, pad: before, upsample, silu, variant });
  const { subgroups, weights, tileM, tileY } = variant;
  const columns = ceilDiv(oh, tileY) * ow;
  const tasks = (subgroups ? ceilDiv(columns, 4) : columns) * ceilDiv(oc, tileM) * n;
  const workgroup = subgroups ? 16 : 64;
  return [
    {
      label: io.y.name,
      shader: subgroups ? "conv/direct_quad" : "conv/direct",
      constants: {
        N: n,
        C1: c1,
        C2: c2,
        OC: oc,
        H: h,
        W: w,
        OH: oh,
        OW: ow,
        STRIDE: stride,
        PAD: before,
        UPSAMPLE: upsample ? 2 : 1,
        ...inputConstants(io, silu),
        ...outputConstants(io),
        WG: workgroup,
        SKIP: Number(c2 > 0),
        TILE_M: tileM,
        TILE_Y: tileY,
        PER_WORD: weights === "f16" ? 2 : 1,
      },
      bindings: [...inputBindings(io), read(io.weight), ...outputBindings(io)],
      workgroups: grid1d(ceilDiv(tasks, subgroups ? workgroup / 4 : workgroup)),
    },
  ];
}
