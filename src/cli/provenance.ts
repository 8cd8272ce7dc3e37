import { basename } from "node:path";
import type { Model } from "../inject/model";
import { packageVersion } from "../platform/package-root";
import { PARAMETERS } from "../platform/png-text";

/** Origin of a picture, for its PNG text metadata. File names lose their folders. */
export function provenance(
  model: Pick<Model, "name" | "hash">,
  command: string,
  details: Readonly<Record<string, unknown>>,
): Record<string, string> {
  return {
    Software: `injectfusion ${packageVersion()}`,
    [PARAMETERS]: JSON.stringify({ command, model: model.name, hash: model.hash, ...details }),
  };
}

export const nameOf = (file: string): string => basename(file);
