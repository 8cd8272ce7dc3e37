import type { Pixels } from "../api";
import { ShapeError } from "../errors";
import { luminance, sameSize } from "./image";

const WINDOW = 11;
const SIGMA = 1.5;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

const kernel = (() => {
  const weights = Array.from({ length: WINDOW }, (_, i) => Math.exp(-((i - (WINDOW - 1) / 2) ** 2) / (2 * SIGMA ** 2)));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / total);
})();

/** Structural similarity of two pictures' luminance, mean over all places of an 11x11 Gaussian window that lie wholly inside;
 *  1 for equal pictures.   Wang et al. 2004   @throws ShapeError below 11x11 pixels */
export function ssim(a: Pixels, b: Pixels): number {
  sameSize(a, b);
  const { width, height } = a;
  if (Math.min(width, height) < WINDOW)
    throw new ShapeError(`SSIM of ${width}x${height} pixels, expected at least ${WINDOW}x${WINDOW}`);
  const x = luminance(a).values;
  const y = luminance(b).values;
  const smooth = (f: (i: number) => number) =>
    blurValid(
      Float64Array.from(x, (_, i) => f(i)),
      width,
      height,
    );
  const [mx, my] = [smooth((i) => x[i]!), smooth((i) => y[i]!)];
  const [xx, yy, xy] = [smooth((i) => x[i]! ** 2), smooth((i) => y[i]! ** 2), smooth((i) => x[i]! * y[i]!)];
  let sum = 0;
  for (let i = 0; i < mx.length; i++) {
    const [p, q] = [mx[i]!, my[i]!];
    const covariance = xy[i]! - p * q;
    const variances = xx[i]! - p * p + (yy[i]! - q * q);
    sum += ((2 * p * q + C1) * (2 * covariance + C2)) / ((p * p + q * q + C1) * (variances + C2));
  }
  return sum / mx.length;
}

/** Gaussian-weighted means over every window inside the picture. */
function blurValid(values: Float64Array, width: number, height: number): Float64Array {
  const w = width - WINDOW + 1;
  const h = height - WINDOW + 1;
  const rows = new Float64Array(w * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < w; x++)
      for (let k = 0; k < WINDOW; k++) rows[y * w + x]! += kernel[k]! * values[y * width + x + k]!;
  const means = new Float64Array(w * h);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let k = 0; k < WINDOW; k++) means[y * w + x]! += kernel[k]! * rows[(y + k) * w + x]!;
  return means;
}
