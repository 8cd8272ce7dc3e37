import attentionContext from "../../shaders/attention/context.wgsl";
import attentionKeys from "../../shaders/attention/keys.wgsl";
import attentionMerge from "../../shaders/attention/merge.wgsl";
import attentionQueries from "../../shaders/attention/queries.wgsl";
import attentionRemember from "../../shaders/attention/remember.wgsl";
import convAny from "../../shaders/conv/any.wgsl";
import convDirect from "../../shaders/conv/direct.wgsl";
import convDirectQuad from "../../shaders/conv/direct_quad.wgsl";
import convFromFew from "../../shaders/conv/from_few.wgsl";
import convSliced from "../../shaders/conv/sliced.wgsl";
import convStationary from "../../shaders/conv/stationary.wgsl";
import convSumSplits from "../../shaders/conv/sum_splits.wgsl";
import convTile from "../../shaders/conv/tile.wgsl";
import convToFew from "../../shaders/conv/to_few.wgsl";
import convWinogradBetween from "../../shaders/conv/winograd_between.wgsl";
import convWinogradFilter from "../../shaders/conv/winograd_filter.wgsl";
import convWinogradInput from "../../shaders/conv/winograd_input.wgsl";
import convWinogradOutput from "../../shaders/conv/winograd_output.wgsl";
import libAct from "../../shaders/lib/act.wgsl";
import libAdded from "../../shaders/lib/added.wgsl";
import libAddedSizes from "../../shaders/lib/added_sizes.wgsl";
import libAddedUniform from "../../shaders/lib/added_uniform.wgsl";
import libAffine from "../../shaders/lib/affine.wgsl";
import libAfter from "../../shaders/lib/after.wgsl";
import libBlocks from "../../shaders/lib/blocks.wgsl";
import libChannelNorm from "../../shaders/lib/channel_norm.wgsl";
import libConv from "../../shaders/lib/conv.wgsl";
import libCount from "../../shaders/lib/count.wgsl";
import libDirect from "../../shaders/lib/direct.wgsl";
import libExp from "../../shaders/lib/exp.wgsl";
import libFilm from "../../shaders/lib/film.wgsl";
import libFilmSizes from "../../shaders/lib/film_sizes.wgsl";
import libFilmUniform from "../../shaders/lib/film_uniform.wgsl";
import libGemm from "../../shaders/lib/gemm.wgsl";
import libGrid from "../../shaders/lib/grid.wgsl";
import libGroupAffine from "../../shaders/lib/group_affine.wgsl";
import libGroupMoments from "../../shaders/lib/group_moments.wgsl";
import libGroupNorm from "../../shaders/lib/group_norm.wgsl";
import libGroupSum from "../../shaders/lib/group_sum.wgsl";
import libHalf from "../../shaders/lib/half.wgsl";
import libHalved from "../../shaders/lib/halved.wgsl";
import libImplicit from "../../shaders/lib/implicit.wgsl";
import libImplicitTile from "../../shaders/lib/implicit_tile.wgsl";
import libInput from "../../shaders/lib/input.wgsl";
import libJoined from "../../shaders/lib/joined.wgsl";
import libJoinedBlocks from "../../shaders/lib/joined_blocks.wgsl";
import libJoinedGroup from "../../shaders/lib/joined_group.wgsl";
import libLanes from "../../shaders/lib/lanes.wgsl";
import libLinear from "../../shaders/lib/linear.wgsl";
import libLinearAttention from "../../shaders/lib/linear_attention.wgsl";
import libLinearKeys from "../../shaders/lib/linear_keys.wgsl";
import libLinearMemory from "../../shaders/lib/linear_memory.wgsl";
import libLinearQkv from "../../shaders/lib/linear_qkv.wgsl";
import libMasks from "../../shaders/lib/masks.wgsl";
import libMatrices from "../../shaders/lib/matrices.wgsl";
import libMix from "../../shaders/lib/mix.wgsl";
import libOutput from "../../shaders/lib/output.wgsl";
import libOutputSize from "../../shaders/lib/output_size.wgsl";
import libPartial from "../../shaders/lib/partial.wgsl";
import libPicture from "../../shaders/lib/picture.wgsl";
import libPlane from "../../shaders/lib/plane.wgsl";
import libPointwise from "../../shaders/lib/pointwise.wgsl";
import libPrediction from "../../shaders/lib/prediction.wgsl";
import libPrepared from "../../shaders/lib/prepared.wgsl";
import libQuad from "../../shaders/lib/quad.wgsl";
import libQuadLoop from "../../shaders/lib/quad_loop.wgsl";
import libSamples from "../../shaders/lib/samples.wgsl";
import libSliced from "../../shaders/lib/sliced.wgsl";
import libSoftmax from "../../shaders/lib/softmax.wgsl";
import libSplits from "../../shaders/lib/splits.wgsl";
import libStationary from "../../shaders/lib/stationary.wgsl";
import libStepRow from "../../shaders/lib/step_row.wgsl";
import libStore from "../../shaders/lib/store.wgsl";
import libTile from "../../shaders/lib/tile.wgsl";
import libTileFull from "../../shaders/lib/tile_full.wgsl";
import libTileWindow from "../../shaders/lib/tile_window.wgsl";
import libTrig from "../../shaders/lib/trig.wgsl";
import libUnary from "../../shaders/lib/unary.wgsl";
import libWindow from "../../shaders/lib/window.wgsl";
import libWinograd from "../../shaders/lib/winograd.wgsl";
import libWinogradBack from "../../shaders/lib/winograd_back.wgsl";
import libWinogradDomain from "../../shaders/lib/winograd_domain.wgsl";
import libWinogradForth from "../../shaders/lib/winograd_forth.wgsl";
import libWorkgroups from "../../shaders/lib/workgroups.wgsl";
import normChannels from "../../shaders/norm/channels.wgsl";
import normChannelsTile from "../../shaders/norm/channels_tile.wgsl";
import normFinalize from "../../shaders/norm/finalize.wgsl";
import normGroup from "../../shaders/norm/group.wgsl";
import normNormalise from "../../shaders/norm/normalise.wgsl";
import normPartials from "../../shaders/norm/partials.wgsl";
import normQuad from "../../shaders/norm/quad.wgsl";
import pointwiseActivation from "../../shaders/pointwise/activation.wgsl";
import pointwiseAdd from "../../shaders/pointwise/add.wgsl";
import pointwiseAffine from "../../shaders/pointwise/affine.wgsl";
import pointwiseAvgPool2 from "../../shaders/pointwise/avg_pool2.wgsl";
import pointwiseConcat from "../../shaders/pointwise/concat.wgsl";
import pointwiseNonFinite from "../../shaders/pointwise/non_finite.wgsl";
import pointwiseResample from "../../shaders/pointwise/resample.wgsl";
import pointwiseSpaceToDepth from "../../shaders/pointwise/space_to_depth.wgsl";
import pointwiseTimeEmbedding from "../../shaders/pointwise/time_embedding.wgsl";
import pointwiseToRgba8 from "../../shaders/pointwise/to_rgba8.wgsl";
import pointwiseUpsample2x from "../../shaders/pointwise/upsample2x.wgsl";
import productAny from "../../shaders/product/any.wgsl";
import productFoldedKeys from "../../shaders/product/folded_keys.wgsl";
import productLinear from "../../shaders/product/linear.wgsl";
import productLinearRows from "../../shaders/product/linear_rows.wgsl";
import productQuad from "../../shaders/product/quad.wgsl";
import productSliced from "../../shaders/product/sliced.wgsl";
import productSoftmaxColumns from "../../shaders/product/softmax_columns.wgsl";
import productSoftmaxTile from "../../shaders/product/softmax_tile.wgsl";
import productStationary from "../../shaders/product/stationary.wgsl";
import productTile from "../../shaders/product/tile.wgsl";
import productTranspose from "../../shaders/product/transpose.wgsl";
import stepCalibrate from "../../shaders/step/calibrate.wgsl";
import stepDdim from "../../shaders/step/ddim.wgsl";
import stepMixApply from "../../shaders/step/mix_apply.wgsl";
import stepMixPartials from "../../shaders/step/mix_partials.wgsl";
import stepMixWeights from "../../shaders/step/mix_weights.wgsl";
import stepMoments from "../../shaders/step/moments.wgsl";
import stepNoise from "../../shaders/step/noise.wgsl";
import stepRetrace from "../../shaders/step/retrace.wgsl";
import stepWeighted from "../../shaders/step/weighted.wgsl";
import { link } from "./link";

/** The parts that shaders share, by name: the text of shaders/lib/<name>.wgsl. */
export const library: Readonly<Record<string, string>> = {
  act: libAct,
  added: libAdded,
  added_sizes: libAddedSizes,
  added_uniform: libAddedUniform,
  affine: libAffine,
  after: libAfter,
  blocks: libBlocks,
  channel_norm: libChannelNorm,
  conv: libConv,
  count: libCount,
  direct: libDirect,
  exp: libExp,
  film: libFilm,
  film_sizes: libFilmSizes,
  film_uniform: libFilmUniform,
  gemm: libGemm,
  grid: libGrid,
  group_affine: libGroupAffine,
  group_moments: libGroupMoments,
  group_norm: libGroupNorm,
  group_sum: libGroupSum,
  half: libHalf,
  halved: libHalved,
  implicit: libImplicit,
  implicit_tile: libImplicitTile,
  input: libInput,
  joined: libJoined,
  joined_blocks: libJoinedBlocks,
  joined_group: libJoinedGroup,
  lanes: libLanes,
  linear: libLinear,
  linear_attention: libLinearAttention,
  linear_keys: libLinearKeys,
  linear_memory: libLinearMemory,
  linear_qkv: libLinearQkv,
  masks: libMasks,
  matrices: libMatrices,
  mix: libMix,
  output: libOutput,
  output_size: libOutputSize,
  partial: libPartial,
  picture: libPicture,
  plane: libPlane,
  pointwise: libPointwise,
  prediction: libPrediction,
  prepared: libPrepared,
  quad: libQuad,
  quad_loop: libQuadLoop,
  samples: libSamples,
  sliced: libSliced,
  softmax: libSoftmax,
  splits: libSplits,
  stationary: libStationary,
  step_row: libStepRow,
  store: libStore,
  tile: libTile,
  tile_full: libTileFull,
  tile_window: libTileWindow,
  trig: libTrig,
  unary: libUnary,
  window: libWindow,
  winograd: libWinograd,
  winograd_back: libWinogradBack,
  winograd_domain: libWinogradDomain,
  winograd_forth: libWinogradForth,
  workgroups: libWorkgroups,
};

const files = {
  "attention/context": attentionContext,
  "attention/keys": attentionKeys,
  "attention/merge": attentionMerge,
  "attention/queries": attentionQueries,
  "attention/remember": attentionRemember,
  "conv/any": convAny,
  "conv/direct": convDirect,
  "conv/direct_quad": convDirectQuad,
  "conv/from_few": convFromFew,
  "conv/sliced": convSliced,
  "conv/stationary": convStationary,
  "conv/sum_splits": convSumSplits,
  "conv/tile": convTile,
  "conv/to_few": convToFew,
  "conv/winograd_between": convWinogradBetween,
  "conv/winograd_filter": convWinogradFilter,
  "conv/winograd_input": convWinogradInput,
  "conv/winograd_output": convWinogradOutput,
  "norm/channels": normChannels,
  "norm/channels_tile": normChannelsTile,
  "norm/finalize": normFinalize,
  "norm/group": normGroup,
  "norm/normalise": normNormalise,
  "norm/partials": normPartials,
  "norm/quad": normQuad,
  "pointwise/activation": pointwiseActivation,
  "pointwise/add": pointwiseAdd,
  "pointwise/affine": pointwiseAffine,
  "pointwise/avg_pool2": pointwiseAvgPool2,
  "pointwise/concat": pointwiseConcat,
  "pointwise/non_finite": pointwiseNonFinite,
  "pointwise/resample": pointwiseResample,
  "pointwise/space_to_depth": pointwiseSpaceToDepth,
  "pointwise/time_embedding": pointwiseTimeEmbedding,
  "pointwise/to_rgba8": pointwiseToRgba8,
  "pointwise/upsample2x": pointwiseUpsample2x,
  "product/any": productAny,
  "product/folded_keys": productFoldedKeys,
  "product/linear": productLinear,
  "product/linear_rows": productLinearRows,
  "product/quad": productQuad,
  "product/sliced": productSliced,
  "product/softmax_columns": productSoftmaxColumns,
  "product/softmax_tile": productSoftmaxTile,
  "product/stationary": productStationary,
  "product/tile": productTile,
  "product/transpose": productTranspose,
  "step/calibrate": stepCalibrate,
  "step/ddim": stepDdim,
  "step/mix_apply": stepMixApply,
  "step/mix_partials": stepMixPartials,
  "step/mix_weights": stepMixWeights,
  "step/moments": stepMoments,
  "step/noise": stepNoise,
  "step/retrace": stepRetrace,
  "step/weighted": stepWeighted,
} satisfies Record<string, string>;

/** Shaders by name, linked: the text of shaders/<name>.wgsl and of the parts that it imports. Those of tuner-shaders.ts join
 *  them when the tuner is loaded. */
export const shaders = Object.fromEntries(
  Object.entries(files).map(([name, source]) => [name, link(source, library)]),
) as Readonly<Record<keyof typeof files, string>>;

/** Shaders made of a caller's own text, by name: see own-rule.ts. */
export const ownShaders = new Map<string, string>();
