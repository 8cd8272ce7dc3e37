/** Measures of a reconstruction and of an injection, for square pictures of equal size. Pure; no model, no device.
 *  They are validated on drawings whose factors are known (test/portraits.test.ts): a drawing with the content factors of
 *  A and the style factors of B must be said to have A's geometry and B's palette. */
import type { Pixels } from "../../src/api";

export type { Pixels } from "../../src/api";
export { edgeMap, geometryDistance, towardContent } from "../../src/metrics/edges";
export { paletteDistance } from "../../src/metrics/palette";
export { psnr } from "../../src/metrics/psnr";
export { mean, median } from "../../src/metrics/statistics";

/** Mean of the mixed second difference of neighbouring pixels, |p(0,0) + p(1,1) - p(1,0) - p(0,1)|, in levels of 255.
 *  Slopes and edges along the axes have none; a fine pattern has much. */
export function roughness({ data, width, height }: Pixels): number {
  const right = 4;
  const down = 4 * width;
  let sum = 0;
  for (let y = 0; y < height - 1; y++)
    for (let x = 0; x < width - 1; x++)
      for (let i = 4 * (y * width + x), end = i + 3; i < end; i++)
        sum += Math.abs(data[i]! + data[i + right + down]! - data[i + right]! - data[i + down]!);
  return sum / (3 * (width - 1) * (height - 1));
}

/** How far apart the mean colours of two pictures are where `mask` is true: the mean over the channels of the absolute
 *  difference, in levels of 255. 0 for a mask that is true nowhere. */
export function meanColourDistance(a: Pixels, b: Pixels, mask: readonly boolean[]): number {
  const sums = [0, 0, 0];
  let count = 0;
  mask.forEach((inside, p) => {
    if (!inside) return;
    count++;
    for (let c = 0; c < 3; c++) sums[c]! += a.data[4 * p + c]! - b.data[4 * p + c]!;
  });
  return sums.reduce((total, sum) => total + Math.abs(sum), 0) / (3 * Math.max(count, 1));
}

/** Share of true values. */
export const share = (values: readonly boolean[]): number => values.filter(Boolean).length / values.length;
