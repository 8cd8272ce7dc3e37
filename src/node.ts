import { openDevice } from "./gpu/open-node";
import type { Model } from "./inject/model";
import { checkLoad, type LoadOptions, modelFrom } from "./load";
import type { SourceLike } from "./model/checkpoint/source";
import { openSource, type SourceOptions } from "./model/checkpoint/source-node";
import { DEFAULT_MODEL } from "./model/presets";
import { findModel } from "./model-source";
import { encodePng } from "./platform/images-node";
import { pixelsOf, shippedModels } from "./platform/node";
import type { PictureLimits } from "./platform/picture-limits";
import { fileStore } from "./platform/tune-store-node";

export type * from "./api";
export * from "./errors";
export { Device, type DeviceOptions } from "./gpu/device";
export type { Directions, DirectionsInfo } from "./inject/directions";
export type { Inversion, InversionInfo } from "./inject/inversion";
export type { InversionMethod } from "./inject/methods";
export type { Model } from "./inject/model";
export type * from "./inject/options";
export { defaults, type PresetName, presets, resolveParameters } from "./inject/parameters";
export { type PasteOptions, pasteBack } from "./inject/paste";
export { type Move, type PlannedStep, printPlan, type RunPlan } from "./inject/plan";
export type { Result } from "./inject/result";
export type { MixRule } from "./kernels/step/step-row";
export type { LoadOptions } from "./load";
export type { ConfigHints } from "./model/checkpoint/described";
export type { UNetConfig } from "./model/config";
export { DEFAULT_MODEL, type ModelPreset, modelPresets } from "./model/presets";
export type { Solver, Spacing } from "./model/schedule";
export { decodeImage, encodePng } from "./platform/images-node";
export type { PictureLimits } from "./platform/picture-limits";
export { openDevice, shippedModels };

/** Loads a model onto the GPU.
 *  @param source a shipped model's name, one of the paper's (`celebahq`, `ffhq=FILE`; see `modelPresets`), a path, a URL, `hf:owner/name[@revision][:file]`, bytes, or the files of a
 *  folder; what docs/checkpoints.md lists
 *  @throws UserError in one line when it is not such a file, or does not fit the device */
export async function loadModel(
  source: SourceLike = DEFAULT_MODEL,
  options: LoadOptions & Omit<SourceOptions, "signal" | "onProgress"> & PictureLimits = {},
): Promise<Model> {
  const { maxPixels, ...rest } = options ?? {};
  checkLoad(source, options && rest);
  const { from, ...origin } = findModel(source);
  const decode: typeof pixelsOf = (input) => pixelsOf(input, { maxPixels });
  const platform = { decode, encodePng, tuneStore: fileStore(), openDevice };
  return modelFrom(() => openSource(from, rest), rest, platform, origin);
}
