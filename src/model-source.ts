import { basename } from "node:path";
import { UserError } from "./errors";
import { presetOf } from "./load";
import type { SourceLike } from "./model/checkpoint/source";
import type { ModelPreset } from "./model/presets";
import { expectModel, shippedModel } from "./platform/node";
import { isUrl } from "./urls";

/** The model that `loadModel()` loads. */
export const DEFAULT_MODEL = "portraits64";

/** Where a model is read from. */
export interface ModelSource {
  readonly from: SourceLike;
  readonly preset?: ModelPreset | undefined;
  /** undefined: as its file is called */
  readonly name: string | undefined;
}

/** Finds what a model is loaded from, in Node. @throws UserError for a name that leads nowhere */
export function findModel(source: SourceLike): ModelSource {
  const shipped = typeof source === "string" ? shippedModel(source) : undefined;
  if (source === DEFAULT_MODEL && !shipped)
    throw new UserError(`the shipped model is missing; reinstall the package, or give a checkpoint (--model FILE)`);
  expectModel(source);
  const { source: from, preset } = presetOf(shipped ?? source);
  const name = typeof source === "string" && !isUrl(source) ? (shipped ? source : basename(source)) : undefined;
  return { from, preset, name };
}
