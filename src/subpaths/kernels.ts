/** `injectfusion/kernels`: single kernels for your own pipeline. A kernel is a pure function from tensors (names and
 *  shapes) to dispatches (shader, constants, bindings, workgroups); `prepareKernels` compiles them for your device.
 *  @module kernels */
export { ShapeError } from "../errors";
export { type PreparedKernels, prepareKernels } from "../gpu/prepare-kernels";
export { linearAttention } from "../kernels/attention/linear-attention";
export { conv, packConv } from "../kernels/conv/conv";
export { convVariants } from "../kernels/conv/tuner-variants";
export { type ConvOptions, type ConvShape, type ConvVariant, convShape } from "../kernels/conv/variant";
export { choose as chooseConv } from "../kernels/conv/variants";
export {
  type Access,
  type Binding,
  byteLength,
  type Dispatch,
  elements,
  f32,
  read,
  type Tensor,
  u32,
  update,
  write,
} from "../kernels/dispatch";
export { channelNorm } from "../kernels/norm/channel-norm";
export { chooseGroupNorm, groupNorm } from "../kernels/norm/group-norm";
export { avgPool2 } from "../kernels/pointwise/avg-pool2";
export { concat } from "../kernels/pointwise/concat";
export { placementData, resample } from "../kernels/pointwise/resample";
export { silu } from "../kernels/pointwise/silu";
export { timeEmbedding } from "../kernels/pointwise/time-embedding";
export { toRgba8 } from "../kernels/pointwise/to-rgba8";
export { upsample2x } from "../kernels/pointwise/upsample2x";
export { attention } from "../kernels/product/attention";
export { chooseLinear, linear, linearWeight } from "../kernels/product/linear";
export { softmax } from "../kernels/product/softmax";
export { ddimStep } from "../kernels/step/ddim";
export { mix } from "../kernels/step/mix";
export { moments } from "../kernels/step/moments";
export { gaussian } from "../kernels/step/noise";
export { predictX0 } from "../kernels/step/predict-x0";
export { STEP, STEP_FLOATS } from "../kernels/step/step-row";
export type { Target } from "../kernels/target";
export { specialise } from "../wgsl/specialise";
export { allShaders as shaders } from "../wgsl/tuner-shaders";
