import { toHalf } from "../half";
import { conv, packConv } from "../kernels/conv/conv";
import { outputSize } from "../kernels/conv/output-size";
import { type ConvVariant, convShape } from "../kernels/conv/variant";
import { type Dispatch, f32, type Tensor } from "../kernels/dispatch";
import type { Target } from "../kernels/target";
import type { ConvCase, ConvData } from "../reference/conv";

type Data = Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** A convolution under one variant, for a target: its dispatches, its inputs by tensor, and its output. */
export function convRun(
  s: ConvCase,
  d: ConvData,
  variant: ConvVariant,
  target: Target,
): { dispatches: Dispatch[]; inputs: Map<Tensor, Data>; y: Tensor } {
  const { n, c1, c2 = 0, oc, h, w, kernel } = s;
  const stored = (name: string, ...shape: number[]): Tensor => ({ name, shape, dtype: target.activations ?? "f32" });
  const y = stored("y", n, oc, outputSize(h, s), outputSize(w, s));
  const inputs = new Map<Tensor, Data>();
  const given = (tensor: Tensor, data: Data) => {
    inputs.set(tensor, tensor.dtype === "f16" && data instanceof Float32Array ? toHalf(data) : data);
    return tensor;
  };
  const shape = convShape(s);
  const weightTensor = variant.weight("weight", shape, target);
  const bytes = packConv(Float32Array.from(d.weight), variant, shape, target);
  const io = {
    x: given(stored("x", n, c1, h, w), d.x),
    skip: d.skip && given(stored("skip", s.skipN!, c2, h, w), d.skip),
    norm: d.norm && given(f32("norm", s.normN!, c1 + c2, 4), d.norm),
    weight: given(weightTensor, bytes),
    bias: given(f32("bias", oc), d.bias),
    temb: d.temb && { tensor: given(f32("temb", s.tembN!, d.temb.width), d.temb.data), offset: d.temb.offset },
    residual: d.residual && given(stored("residual", s.residualN!, oc, y.shape[2]!, y.shape[3]!), d.residual),
    y,
  };
  const { stride, upsample, silu, pad } = s;
  const options = {
    kernel,
    ...(stride && { stride }),
    ...(upsample && { upsample }),
    ...(silu && { silu }),
    ...(pad && { pad }),
  };
  return { dispatches: conv(io, options, variant, target), inputs, y };
}
