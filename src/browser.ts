import { UserError } from "./errors";
import { openDevice } from "./gpu/open-browser";
import type { Model } from "./inject/model";
import { checkLoad, type LoadOptions, modelFrom, presetOf } from "./load";
import type { SourceLike } from "./model/checkpoint/source";
import { openSource, type SourceOptions } from "./model/checkpoint/source-browser";
import { expectModelName } from "./model/model-name";
import { DEFAULT_MODEL, methodOf } from "./model/presets";
import { platform as pictures } from "./platform/browser";
import { opfsStore } from "./platform/tune-store-browser";

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
export { decodeImage, encodePng } from "./platform/browser";
export { openDevice };

/** Where the shipped models lie: beside the library, in the package's own folder. */
const shipped: Readonly<Record<string, () => URL>> = {
  portraits64: () => new URL("../weights/portraits64.safetensors", import.meta.url),
};

/** Names of the models that come with the package. */
export const shippedModels = (): string[] => Object.keys(shipped);

/** Loads a model onto the GPU.
 *  @param source a shipped model's name, a URL, `hf:owner/name[@revision][:file]`, a File or Blob, bytes, or the files of
 *  a folder (a Map by path, or an array); what docs/checkpoints.md lists
 *  @throws UserError in one line when it is not such a file, or does not fit the device */
export async function loadModel(
  source: SourceLike = DEFAULT_MODEL,
  options: LoadOptions & Omit<SourceOptions, "signal" | "onProgress"> = {},
): Promise<Model> {
  checkLoad(source, options);
  const own = typeof source === "string" && Object.hasOwn(shipped, source) ? shipped[source] : undefined;
  expectModelName(source, shippedModels());
  const { source: from, preset } = presetOf(own ? placeOf(own) : source);
  const platform = { ...pictures, tuneStore: opfsStore(), openDevice };
  const open = () => openSource(resolved(from), options);
  const origin = { name: own && String(source), method: methodOf(source), preset };
  const model = modelFrom(open, options, platform, origin);
  return own ? model.catch((error: unknown) => Promise.reject(notBeside(error))) : model;
}

const cure =
  'give loadModel the address of the weights, such as import url from "injectfusion/weights/portraits64.safetensors?url" (docs/bundlers.md)';

/** @throws UserError in a script that has no address of its own, such as a bundle in the format iife */
function placeOf(own: () => URL): URL {
  try {
    return own();
  } catch {
    throw new UserError(`the shipped weights cannot be located from this script; ${cure}`);
  }
}

/** The error, with a cure where the shipped weights were not at their place: a bundler moved the library. */
function notBeside(error: unknown): unknown {
  const missing = /\bHTML\b|\b40[34]\b|could not be reached|is no checkpoint|is empty/;
  if (!(error instanceof UserError) || !missing.test(error.message)) return error;
  return new UserError(`the shipped weights are not beside the library (${error.message}); ${cure}`);
}

/** Relative addresses mean what they mean to `fetch`. */
const resolved = (source: SourceLike): SourceLike =>
  typeof source === "string" && /^\.{0,2}\//.test(source) ? new URL(source, globalThis.location.href) : source;
