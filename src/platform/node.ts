import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { BareImage, ImageTensor, Pixels } from "../api";
import { UserError } from "../errors";
import type { Platform } from "../inject/platform";
import { expectModelName, isBareName } from "../model/model-name";
import { decodeImage, encodePng } from "./images-node";
import { packageRoot } from "./package-root";
import type { PictureLimits } from "./picture-limits";

/** Any form of a picture that Node knows, decoded; pixels and tensors pass through.
 *  @throws UserError for a bad file, and for what only browsers have. */
export async function pixelsOf(input: BareImage, limits: PictureLimits = {}): Promise<Pixels | ImageTensor> {
  const isFile = typeof input === "string" || input instanceof URL || input instanceof Blob;
  if (isFile || input instanceof Uint8Array || input instanceof ArrayBuffer)
    return decodeImage(input, undefined, limits);
  if ("tensor" in input) return input;
  if ("data" in input && "width" in input) return input;
  throw new UserError("canvases and ImageBitmaps exist in browsers only; give a path, file bytes or pixels");
}

/** Pictures in Node. */
export const platform: Platform = { decode: pixelsOf, encodePng };

/** Names of the models that come with the package. */
export function shippedModels(): string[] {
  const folder = join(packageRoot(), "weights");
  if (!existsSync(folder)) return [];
  const suffix = ".safetensors";
  return readdirSync(folder)
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length));
}

/** The file of a shipped model, or undefined when there is none of this name. */
export function shippedModel(name: string): string | undefined {
  if (!/^[\w-]+$/.test(name)) return undefined;
  const file = join(packageRoot(), "weights", `${name}.safetensors`);
  return existsSync(file) ? file : undefined;
}

/** Checks what a model is loaded from, before anything is opened. @throws UserError as `expectModelName` */
export function expectModel(source: unknown): void {
  if (!isBareName(source) || !existsSync(source)) expectModelName(source, shippedModels());
}

/** The example pictures that come with the package, in order of their names. */
export function shippedExamples(): string[] {
  const folder = join(packageRoot(), "weights", "examples");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".png"))
    .sort()
    .map((file) => join(folder, file));
}
