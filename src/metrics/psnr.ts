import type { Pixels } from "../api";
import { sameSize } from "./image";
import { mean } from "./statistics";

/** Mean squared error over R, G, B of two pictures, values 0..255. */
function meanSquaredError(a: Pixels, b: Pixels): number {
  sameSize(a, b);
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) if (i % 4 !== 3) sum += (a.data[i]! - b.data[i]!) ** 2;
  return sum / ((a.data.length / 4) * 3);
}

/** Peak signal-to-noise ratio over R, G, B, in decibels; Infinity for equal pictures.   10 log10(255^2 / MSE) */
export const psnr = (a: Pixels, b: Pixels): number => 10 * Math.log10(255 ** 2 / meanSquaredError(a, b));

/** The same of values in [-1, 1], as networks see pictures: before they are rounded to bytes. */
export const psnrOfValues = (a: Float32Array, b: Float32Array): number =>
  10 * Math.log10(4 / mean(a.map((v, i) => (v - b[i]!) ** 2)));

/** Largest difference of R, G or B, in levels of 255. */
export function maxDifference(a: Pixels, b: Pixels): number {
  sameSize(a, b);
  let most = 0;
  for (let i = 0; i < a.data.length; i++) if (i % 4 !== 3) most = Math.max(most, Math.abs(a.data[i]! - b.data[i]!));
  return most;
}
