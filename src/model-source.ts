import { basename } from "node:path";
import { UserError } from "./errors";
import { type Origin, presetOf } from "./load";
import type { SourceLike } from "./model/checkpoint/source";
import { DEFAULT_MODEL, methodOf } from "./model/presets";
import { expectModel, shippedModel } from "./platform/node";
import { isUrl } from "./urls";

/** Where a model is read from, and what is known of it. */
export interface ModelSource extends Origin {
  readonly from: SourceLike;
}

/** Finds what a model is loaded from, in Node. @throws UserError for a name that leads nowhere */
export function findModel(source: SourceLike): ModelSource {
  const shipped = typeof source === "string" ? shippedModel(source) : undefined;
  if (source === DEFAULT_MODEL && !shipped)
    throw new UserError(`the shipped model is missing; reinstall the package, or give a checkpoint (--model FILE)`);
  expectModel(source);
  const { source: from, preset } = presetOf(shipped ?? source);
  const name = typeof source === "string" && !isUrl(source) ? (shipped ? source : basename(source)) : undefined;
  return { from, preset, name, method: methodOf(source) };
}
