import { UserError } from "../errors";
import { isModelPreset, type ModelPreset, modelPresets } from "./presets";
import { similarName } from "./similar";

/** Whether a source is a single word, as names of models are: not a path, an address or a file name. */
export const isBareName = (source: unknown): source is string => typeof source === "string" && /^[\w-]+$/.test(source);

/** Checks a source that is not a file, before anything is opened.
 *  @param shipped names of the models that come with the package
 *  @throws UserError for a bare name that no model has, for `name=` without a file, and for a model that is on no hub */
export function expectModelName(source: unknown, shipped: readonly string[]): void {
  if (typeof source !== "string") return;
  const [name = "", ...file] = source.split("=");
  if (isModelPreset(name)) {
    const { source: hub, title, from }: ModelPreset = modelPresets[name];
    if (file.length > 0 && file.join("=") === "")
      throw new UserError(`${source}: expected a file behind the "=", as in ${name}=FILE`);
    if (file.length === 0 && !hub)
      throw new UserError(`${name}: ${title} is on no hub; get ${from}, then give ${name}=FILE`);
    return;
  }
  if (!isBareName(source) || shipped.includes(source)) return;
  const known = [...shipped, ...Object.keys(modelPresets)];
  const meant = similarName(source, known);
  throw new UserError(
    `${source}: no model and no file has this name; ${meant ? `did you mean ${meant}?` : `models are ${known.join(", ")}`}`,
  );
}
