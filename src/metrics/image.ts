import type { Pixels } from "../api";
import { ShapeError } from "../errors";

/** Planes of a picture as numbers: f64 [height * width] each, row-major, values 0..255. */
export interface Plane {
  readonly values: Float64Array;
  readonly width: number;
  readonly height: number;
}

/** Luminance, Rec. 601 weights, 0..255. */
export function luminance({ data, width, height }: Pixels): Plane {
  const values = new Float64Array(width * height);
  for (let i = 0; i < values.length; i++)
    values[i] = 0.299 * data[i * 4]! + 0.587 * data[i * 4 + 1]! + 0.114 * data[i * 4 + 2]!;
  return { values, width, height };
}

/** @throws ShapeError unless both pictures have one size. */
export function sameSize(a: { width: number; height: number }, b: { width: number; height: number }): void {
  if (a.width !== b.width || a.height !== b.height)
    throw new ShapeError(
      `pictures of ${a.width}x${a.height} and ${b.width}x${b.height} cannot be compared; give one size`,
    );
}
