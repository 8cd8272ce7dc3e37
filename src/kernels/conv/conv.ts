import { ShapeError } from "../../errors";
import { type Dispatch, expectShape } from "../dispatch";
import type { Target } from "../target";
import { type ConvTensors, convSizes } from "./io";
import { defaultPadding, outputSize } from "./output-size";
import { finished, type Packing, type Room } from "./packing";
import type { ConvOptions, ConvShape, ConvVariant } from "./variant";

/** 3x3 or 1x1 convolution of [x, skip], with normalisation and SiLU before it, and bias, time embedding and residual after it.
 *  Shapes are those of ConvTensors, with OH and OW by `outputSize`. The weights are packed by `packConv` for this variant and
 *  target.   @throws ShapeError where tensors do not fit */
export function conv(
  io: ConvTensors,
  o: Pick<ConvOptions, "kernel"> & Partial<ConvOptions>,
  variant: ConvVariant,
  target: Target,
): Dispatch[] {
  const { kernel, stride = 1, upsample = false, silu = false, pad = defaultPadding(stride) } = o;
  const options = { kernel, stride, upsample, silu, pad };
  const sizes = convSizes(io);
  const { n, c1, c2, oc, h, w } = sizes;
  const shape = { kernel, n, c1, c2, oc, h, w, stride, upsample };
  expectShape(io.y, n, oc, outputSize(h, options), outputSize(w, options));
  expectShape(io.weight, ...variant.weight("", shape, target).shape);
  return variant.dispatches(io, sizes, options, target);
}

/** The weights as the variant reads them.   w: [OC, C1 + C2, kernel, kernel]   @throws ShapeError for another count */
export function packConv(
  w: Float32Array,
  variant: ConvVariant,
  shape: ConvShape,
  target: Target,
): Uint8Array<ArrayBuffer> {
  return finished(packConvInParts(w, variant, shape, target));
}

/** The same in parts. @param room where variants pack that take much; default: new memory */
export function packConvInParts(
  w: Float32Array,
  variant: ConvVariant,
  shape: ConvShape,
  target: Target,
  room: Room = (length) => new Float32Array(length),
): Packing {
  expectFilters(w, shape);
  return variant.packing(w, shape, target, room);
}

function expectFilters(w: Float32Array, { kernel, c1, c2, oc }: ConvShape): void {
  if (w.length !== oc * (c1 + c2) * kernel ** 2)
    throw new ShapeError(`${w.length} weights, expected ${oc} x ${c1 + c2} x ${kernel} x ${kernel}`);
}
