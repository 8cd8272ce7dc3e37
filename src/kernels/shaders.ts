import add from "../../shaders/add.wgsl";
import addRow from "../../shaders/add_row.wgsl";
import avgPool2 from "../../shaders/avg_pool2.wgsl";
import calibrate from "../../shaders/calibrate.wgsl";
import concat from "../../shaders/concat.wgsl";
import convMatrix from "../../shaders/conv_matrix.wgsl";
import convTile from "../../shaders/conv_tile.wgsl";
import conv1x1Any from "../../shaders/conv1x1_any.wgsl";
import conv1x1Quad from "../../shaders/conv1x1_quad.wgsl";
import conv1x1Sliced from "../../shaders/conv1x1_sliced.wgsl";
import conv1x1Stationary from "../../shaders/conv1x1_stationary.wgsl";
import conv3x3Any from "../../shaders/conv3x3_any.wgsl";
import conv3x3Quad from "../../shaders/conv3x3_quad.wgsl";
import ddim from "../../shaders/ddim.wgsl";
import gemmAny from "../../shaders/gemm_any.wgsl";
import gemmQuad from "../../shaders/gemm_quad.wgsl";
import gemmSliced from "../../shaders/gemm_sliced.wgsl";
import gemmStationary from "../../shaders/gemm_stationary.wgsl";
import gemmTile from "../../shaders/gemm_tile.wgsl";
import groupNormFinalize from "../../shaders/group_norm_finalize.wgsl";
import groupNormGroup from "../../shaders/group_norm_group.wgsl";
import groupNormPartials from "../../shaders/group_norm_partials.wgsl";
import groupNormPartialsAny from "../../shaders/group_norm_partials_any.wgsl";
import groupNormQuad from "../../shaders/group_norm_quad.wgsl";
import linear from "../../shaders/linear.wgsl";
import linearRows from "../../shaders/linear_rows.wgsl";
import mixApply from "../../shaders/mix_apply.wgsl";
import mixPartials from "../../shaders/mix_partials.wgsl";
import mixWeights from "../../shaders/mix_weights.wgsl";
import moments from "../../shaders/moments.wgsl";
import noise from "../../shaders/noise.wgsl";
import nonFinite from "../../shaders/non_finite.wgsl";
import normalise from "../../shaders/normalise.wgsl";
import normaliseAny from "../../shaders/normalise_any.wgsl";
import predictX0 from "../../shaders/predict_x0.wgsl";
import resample from "../../shaders/resample.wgsl";
import silu from "../../shaders/silu.wgsl";
import softmaxColumns from "../../shaders/softmax_columns.wgsl";
import softmaxTile from "../../shaders/softmax_tile.wgsl";
import stack from "../../shaders/stack.wgsl";
import sumSplits from "../../shaders/sum_splits.wgsl";
import timeEmbedding from "../../shaders/time_embedding.wgsl";
import toRgba8 from "../../shaders/to_rgba8.wgsl";
import transpose from "../../shaders/transpose.wgsl";
import upsample2x from "../../shaders/upsample2x.wgsl";
import winogradInput from "../../shaders/winograd_input.wgsl";
import winogradOutput from "../../shaders/winograd_output.wgsl";

/** The shader with operands in f16, where its text says f32. */
const half = (source: string): string => source.replace("alias Element = f32;", "enable f16;\nalias Element = f16;");

/** Every shader by name: the text of shaders/<name>.wgsl. One line each, in alphabetical order. */
export const shaders = {
  add,
  add_row: addRow,
  avg_pool2: avgPool2,
  calibrate,
  concat,
  conv1x1_any: conv1x1Any,
  conv1x1_quad: conv1x1Quad,
  conv1x1_sliced: conv1x1Sliced,
  conv1x1_stationary: conv1x1Stationary,
  conv3x3_any: conv3x3Any,
  conv3x3_quad: conv3x3Quad,
  conv_matrix: convMatrix,
  conv_matrix_f16: half(convMatrix),
  conv_tile: convTile,
  ddim,
  gemm_any: gemmAny,
  gemm_quad: gemmQuad,
  gemm_sliced: gemmSliced,
  gemm_stationary: gemmStationary,
  gemm_tile: gemmTile,
  group_norm_finalize: groupNormFinalize,
  group_norm_group: groupNormGroup,
  group_norm_partials: groupNormPartials,
  group_norm_partials_any: groupNormPartialsAny,
  group_norm_quad: groupNormQuad,
  linear,
  linear_rows: linearRows,
  mix_apply: mixApply,
  mix_partials: mixPartials,
  mix_weights: mixWeights,
  moments,
  noise,
  non_finite: nonFinite,
  normalise,
  normalise_any: normaliseAny,
  predict_x0: predictX0,
  resample,
  silu,
  softmax_columns: softmaxColumns,
  softmax_tile: softmaxTile,
  stack,
  sum_splits: sumSplits,
  time_embedding: timeEmbedding,
  to_rgba8: toRgba8,
  transpose,
  upsample2x,
  winograd_input: winogradInput,
  winograd_output: winogradOutput,
} satisfies Record<string, string>;

export type ShaderName = keyof typeof shaders;
