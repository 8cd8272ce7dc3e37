import { ShapeError } from "../../errors";
import { type Binding, byteLength, dims4, expectShape, read, type Tensor, write } from "../dispatch";
import type { ConvOptions } from "./variant";

/** Tensors that a convolution reads and writes. Tensors with fewer samples than y are read modulo theirs: sample n of y uses
 *  sample n % N2, so that one skip serves two decoders run as a batch. */
export interface ConvTensors {
  /** f32 [N, C1, H, W] */
  readonly x: Tensor;
  /** f32 [N2, C2, H, W], joined to x after its channels */
  readonly skip?: Tensor | undefined;
  /** f32 [N3, C1 + C2, 4] = (mean, scale, shift, 0): an input v becomes (v - mean) * scale + shift */
  readonly norm?: Tensor | undefined;
  /** as packed for the variant */
  readonly weight: Tensor;
  /** f32 [OC] */
  readonly bias: Tensor;
  /** f32 [N4, width]: columns from `offset` on are added to the output channels */
  readonly temb?: { readonly tensor: Tensor; readonly offset: number } | undefined;
  /** f32 [N5, OC, OH, OW], added to the output */
  readonly residual?: Tensor | undefined;
  /** f32 [N, OC, OH, OW] */
  readonly y: Tensor;
}

/** Sizes of a convolution, checked. */
export interface ConvSizes {
  readonly n: number;
  readonly c1: number;
  readonly c2: number;
  readonly oc: number;
  readonly h: number;
  readonly w: number;
  readonly oh: number;
  readonly ow: number;
}

/** @throws ShapeError where the tensors do not fit together. */
export function convSizes({ x, skip, norm, bias, temb, residual, y }: ConvTensors): ConvSizes {
  const [n, c1, h, w] = dims4(x);
  const [, oc, oh, ow] = dims4(y);
  const c2 = skip ? dims4(skip)[1] : 0;
  const divides = (t: Tensor) => {
    if (n % t.shape[0]! !== 0)
      throw new ShapeError(`${t.name}: ${t.shape[0]} samples do not divide the ${n} of ${x.name}`);
    return t.shape[0]!;
  };
  expectShape(y, n, oc, oh, ow);
  expectShape(bias, oc);
  if (skip) expectShape(skip, divides(skip), c2, h, w);
  if (norm) expectShape(norm, divides(norm), c1 + c2, 4);
  if (residual) expectShape(residual, divides(residual), oc, oh, ow);
  if (temb) {
    const { tensor, offset } = temb;
    if (tensor.shape.length !== 2 || offset + oc > tensor.shape[1]! || n % tensor.shape[0]! !== 0)
      throw new ShapeError(`${tensor.name}: shape [${tensor.shape}], expected [${n}, at least ${offset + oc}]`);
  }
  return { n, c1, c2, oc, h, w, oh, ow };
}

/** The constants of what follows the sums: time embedding and residual. shaders/lib/after.wgsl */
export const afterConstants = ({ temb, residual }: ConvTensors, { n, oc }: ConvSizes) => ({
  N: n,
  OC: oc,
  TEMB: Number(!!temb),
  TEMB_N: temb?.tensor.shape[0] ?? 1,
  TEMB_WIDTH: temb?.tensor.shape[1] ?? 0,
  TEMB_OFFSET: temb?.offset ?? 0,
  RESIDUAL: Number(!!residual),
  RESIDUAL_N: residual?.shape[0] ?? 1,
});

/** The constants of every convolution. shaders/lib/conv.wgsl */
export const convConstants = (io: ConvTensors, sizes: ConvSizes, silu: boolean) => ({
  ...afterConstants(io, sizes),
  PLANE: sizes.h * sizes.w,
  C1: sizes.c1,
  C2: sizes.c2,
  SKIP_N: io.skip?.shape[0] ?? 1,
  NORM_N: io.norm?.shape[0] ?? 1,
  NORM: Number(!!io.norm),
  SILU: Number(silu),
  PER_WORD: io.weight.dtype === "f16" ? 2 : 1,
});

/** The constants of where pixels of the output read. shaders/lib/window.wgsl */
export const windowConstants = (
  { h, w, oh, ow }: ConvSizes,
  { kernel, upsample, pad }: Pick<ConvOptions, "kernel" | "upsample" | "pad">,
) => ({
  H: h,
  W: w,
  OH: oh,
  OW: ow,
  PAD: kernel === 3 && pad === "same" ? 1 : 0,
  UPSAMPLE: upsample ? 2 : 1,
});

/** The bindings of shaders/lib/after.wgsl. An absent input is bound to a tensor that is read anyway. */
export const afterBindings = ({ x, bias, temb, residual, y }: ConvTensors): Binding[] => [
  write(y),
  read(bias),
  read(temb?.tensor ?? bias),
  read(residual ?? x),
];

/** The bindings of shaders/lib/conv.wgsl. It reads norm four values at a time, and weights are that long. */
export const convBindings = (io: ConvTensors): Binding[] => [
  ...afterBindings(io),
  read(io.x),
  read(io.skip ?? io.x),
  read(io.norm ?? words(io.weight)),
  read(io.weight),
];

/** The same bytes as words, which no shader takes for activations in f16. */
export const words = (t: Tensor): Tensor => ({ name: t.name, shape: [byteLength(t) / 4], dtype: "u32" });
