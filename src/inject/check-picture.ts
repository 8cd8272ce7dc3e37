import type { ImageInput } from "../api";
import { UserError } from "../errors";
import { describe } from "./check-options";

/** @throws UserError in one line unless this is a form of picture that the engine takes */
export function checkPicture(where: string, value: unknown): asserts value is ImageInput {
  const wrong = problemOf(value);
  if (wrong) throw new UserError(`${where}: ${wrong}`);
}

function problemOf(value: unknown): string | undefined {
  if (typeof value === "string" || value instanceof URL) return undefined;
  if (value instanceof ArrayBuffer || value instanceof Blob) return undefined;
  if (value instanceof Uint8Array) return undefined;
  const forms = "a path or URL, file bytes, a Blob, { data, width, height }, { tensor } or a canvas";
  if (typeof value !== "object" || value === null) return `expected a picture (${forms}), got ${describe(value)}`;
  if (value instanceof Float32Array)
    return `a Float32Array of ${value.length} goes in as { tensor }, values in [-1, 1], or as file bytes`;
  if (typeof (value as Promise<unknown>).then === "function") return "a Promise of a picture; await it first";
  if ("image" in value) return problemOf(value.image);
  if ("tensor" in value)
    return value.tensor instanceof Float32Array
      ? undefined
      : `tensor ${describe(value.tensor)}: expected a Float32Array [3, side, side] in [-1, 1]`;
  if ("data" in value) {
    const { data, width, height } = value as Record<string, unknown>;
    if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray))
      return `data ${describe(data)}: expected RGBA bytes, a Uint8Array or Uint8ClampedArray; f32 values go in as { tensor }`;
    if (Number.isInteger(width) && Number.isInteger(height)) return undefined;
    return `${describe(width)}x${describe(height)} pixels: expected whole numbers`;
  }
  if ("width" in value && "height" in value) return undefined; // a canvas or bitmap: the platform decodes it
  return `expected a picture (${forms}), got ${describe(value)}`;
}
