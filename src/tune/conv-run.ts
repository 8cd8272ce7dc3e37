import { conv1x1, conv1x1Weight, packConv1x1 } from "../kernels/conv/conv1x1";
import { conv3x3, conv3x3Weight, packConv3x3 } from "../kernels/conv/conv3x3";
import { outputSize } from "../kernels/conv/output-size";
import { type Dispatch, f32, type Tensor } from "../kernels/dispatch";
import type { ConvCase, ConvData } from "../reference/conv";
import type { AnyVariant } from "./candidates";

type Data = Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** A convolution under one variant: its dispatches, its inputs by tensor, and its output. */
export function convRun(
  s: ConvCase,
  d: ConvData,
  variant: AnyVariant,
): { dispatches: Dispatch[]; inputs: Map<Tensor, Data>; y: Tensor } {
  const { n, c1, c2 = 0, oc, h, w, kernel } = s;
  const y = f32("y", n, oc, outputSize(h, s), outputSize(w, s));
  const inputs = new Map<Tensor, Data>();
  const given = (tensor: Tensor, data: Data) => {
    inputs.set(tensor, data);
    return tensor;
  };
  // biome-ignore lint/suspicious/noExplicitAny: a variant of a 3x3 or of a 1x1, as the case says
  const v = variant as any;
  const weightTensor = (kernel === 3 ? conv3x3Weight : conv1x1Weight)("weight", oc, c1 + c2, v);
  const bytes = (kernel === 3 ? packConv3x3 : packConv1x1)(Float32Array.from(d.weight), oc, c1 + c2, v);
  const io = {
    x: given(f32("x", n, c1, h, w), d.x),
    skip: d.skip && given(f32("skip", s.skipN!, c2, h, w), d.skip),
    norm: d.norm && given(f32("norm", s.normN!, c1 + c2, 4), d.norm),
    weight: given(weightTensor, bytes),
    bias: given(f32("bias", oc), d.bias),
    temb: d.temb && { tensor: given(f32("temb", s.tembN!, d.temb.width), d.temb.data), offset: d.temb.offset },
    residual: d.residual && given(f32("residual", s.residualN!, oc, y.shape[2]!, y.shape[3]!), d.residual),
    y,
  };
  const { stride, upsample, silu, pad } = s;
  const options = {
    variant: v,
    ...(stride && { stride }),
    ...(upsample && { upsample }),
    ...(silu && { silu }),
    ...(pad && { pad }),
  };
  return { dispatches: kernel === 3 ? conv3x3(io, options) : conv1x1(io, options), inputs, y };
}
