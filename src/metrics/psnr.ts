import type { Pixels } from "../api";
import { sameSize } from "./image";

/** Mean squared error over R, G, B of two pictures, values 0..255. */
function meanSquaredError(a: Pixels, b: Pixels): number {
  sameSize(a, b);
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) if (i % 4 !== 3) sum += (a.data[i]! - b.data[i]!) ** 2;
  return sum / ((a.data.length / 4) * 3);
}

/** Peak signal-to-noise ratio over R, G, B, in decibels; Infinity for equal pictures.   10 log10(255^2 / MSE) */
export const psnr = (a: Pixels, b: Pixels): number => 10 * Math.log10(255 ** 2 / meanSquaredError(a, b));
