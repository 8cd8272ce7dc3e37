import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, dims4, expectShape, f32, grid1d, read, type Tensor } from "../dispatch";
import { afterBindings, afterConstants } from "./io";
import { type Packing, stops } from "./packing";

export interface AnyConvOptions {
  readonly kernel: number;
  readonly stride: number;
  /** zeros on each side */
  readonly pad: number;
}

/** Output channels of a lane. */
const TILE_M = 16;

/** Output size along one side. */
export const anyConvSize = (size: number, { kernel, stride, pad }: AnyConvOptions): number =>
  Math.floor((size + 2 * pad - kernel) / stride) + 1;

/** The weight that `anyConv` reads: input channels first, output channels last, in whole tiles. */
export const anyConvWeight = (
  name: string,
  oc: number,
  c: number,
  { kernel }: Pick<AnyConvOptions, "kernel">,
): Tensor => f32(name, c, kernel, kernel, TILE_M * ceilDiv(oc, TILE_M));

/** Packs w [OC, C, K, K] for `anyConv`, in parts. */
export function* packAnyConv(w: Float32Array, oc: number, c: number, kernel: number): Packing {
  const taps = c * kernel ** 2;
  if (w.length !== oc * taps)
    throw new ShapeError(`${w.length} weights, expected ${oc} x ${c} x ${kernel} x ${kernel}`);
  const rows = TILE_M * ceilDiv(oc, TILE_M);
  const out = new Float32Array(taps * rows);
  for (let o = 0, stop = stops(taps); o < oc; o++) {
    if (stop()) yield;
    for (let i = 0; i < taps; i++) out[i * rows + o] = w[o * taps + i]!;
  }
  return new Uint8Array(out.buffer);
}

/** Convolution with any kernel size and stride, in f32, for layers that the tuned variants do not have.
 *  x: f32 [N, C, H, W]; weight: as `anyConvWeight`; bias: f32 [OC]; y: f32 [N, OC, OH, OW].   shaders/conv/any.wgsl
 *  @throws ShapeError where tensors do not fit */
export function anyConv(
  { x, weight, bias, y }: { x: Tensor; weight: Tensor; bias: Tensor; y: Tensor },
  options: AnyConvOptions,
): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  const [, oc] = dims4(y);
  const [oh, ow] = [anyConvSize(h, options), anyConvSize(w, options)];
  expectShape(y, n, oc, oh, ow);
  expectShape(bias, oc);
  expectShape(weight, ...anyConvWeight("", oc, c, options).shape);
  const tiles = ceilDiv(oc, TILE_M);
  const { kernel, stride, pad } = options;
  return [
    {
      label: y.name,
      shader: "conv/any",
      constants: {
        ...afterConstants({ x, weight, bias, y }, { n, c1: c, c2: 0, oc, h, w, oh, ow }),
        C: c,
        H: h,
        W: w,
        OH: oh,
        OW: ow,
        TILES: tiles,
        KERNEL: kernel,
        STRIDE: stride,
        PAD: pad,
        TILE_M,
      },
      bindings: [...afterBindings({ x, weight, bias, y }), read(x), read(weight)],
      workgroups: grid1d(ceilDiv(n * tiles * oh * ow, 64)),
    },
  ];
}
