import { conv1x1, conv1x1Weight, packConv1x1 } from "../../src/kernels/conv/conv1x1";
import { conv3x3, conv3x3Weight, packConv3x3 } from "../../src/kernels/conv/conv3x3";
import { type Dispatch, f32, type Tensor } from "../../src/kernels/dispatch";
import { fromHalf, toHalf } from "../../src/model/checkpoint/dtype";
import type { Data } from "./device";
import { type ConvCase, type ConvData, outputSize } from "./reference-conv";
import { seeded } from "./seeded";

/** Seeded inputs for a case; weights are scaled so that outputs stay near 1. */
export function convData(s: ConvCase): ConvData {
  const { n, c1, c2 = 0, oc, h, w, kernel } = s;
  const [oh, ow] = [outputSize(h, s), outputSize(w, s)];
  const channels = c1 + c2;
  const size = (channels * kernel * kernel) ** -0.5;
  return {
    x: seeded(1, [n, c1, h, w]),
    skip: c2 ? seeded(2, [s.skipN!, c2, h, w]) : undefined,
    norm: s.normN ? seeded(3, [s.normN, channels, 4]) : undefined,
    weight: seeded(4, [oc, channels, kernel, kernel]).map((v) => v * size),
    bias: seeded(5, [oc]),
    temb: s.tembN ? { data: seeded(6, [s.tembN, oc + 8]), width: oc + 8, offset: 5 } : undefined,
    residual: s.residualN ? seeded(7, [s.residualN, oc, oh, ow]) : undefined,
  };
}

/** What a kernel with f16 weights computes on: these weights, rounded. */
export const roundedWeights = (d: ConvData): ConvData => ({
  ...d,
  weight: fromHalf(toHalf(Float32Array.from(d.weight))),
});

/** The dispatches of a case under a variant, with the tensors that hold its data. */
export function convRun(
  s: ConvCase,
  d: ConvData,
  // biome-ignore lint/suspicious/noExplicitAny: a 3x3 or a 1x1 variant, as the case says
  variant: any,
): { dispatches: Dispatch[]; inputs: Map<Tensor, Data>; y: Tensor } {
  const { n, c1, c2 = 0, oc, h, w, kernel } = s;
  const y = f32("y", n, oc, outputSize(h, s), outputSize(w, s));
  const inputs = new Map<Tensor, Data>();
  const given = (tensor: Tensor, data: Data) => {
    inputs.set(tensor, data);
    return tensor;
  };
  const pack = kernel === 3 ? packConv3x3 : packConv1x1;
  const weightTensor = (kernel === 3 ? conv3x3Weight : conv1x1Weight)("weight", oc, c1 + c2, variant);
  const bytes = pack(Float32Array.from(d.weight), oc, c1 + c2, variant);
  const io = {
    x: given(f32("x", n, c1, h, w), d.x),
    skip: d.skip && given(f32("skip", s.skipN!, c2, h, w), d.skip),
    norm: d.norm && given(f32("norm", s.normN!, c1 + c2, 4), d.norm),
    weight: given(weightTensor, new Uint16Array(bytes.buffer)),
    bias: given(f32("bias", oc), d.bias),
    temb: d.temb && { tensor: given(f32("temb", s.tembN!, d.temb.width), d.temb.data), offset: d.temb.offset },
    residual: d.residual && given(f32("residual", s.residualN!, oc, y.shape[2]!, y.shape[3]!), d.residual),
    y,
  };
  const { stride, upsample, silu, pad } = s;
  const options = {
    variant,
    ...(stride && { stride }),
    ...(upsample && { upsample }),
    ...(silu && { silu }),
    ...(pad && { pad }),
  };
  return { dispatches: kernel === 3 ? conv3x3(io, options) : conv1x1(io, options), inputs, y };
}
