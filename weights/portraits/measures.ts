/** Measures of a reconstruction and of an injection, for square pictures of equal size. Pure; no model, no device.
 *  They are validated on drawings whose factors are known (test/portraits.test.ts): a drawing with the content factors of
 *  A and the style factors of B must be said to have A's geometry and B's palette. */
export type { Pixels } from "../../src/api";
export { edgeMap, geometryDistance, towardContent } from "../../src/metrics/edges";
export { paletteDistance } from "../../src/metrics/palette";
export { psnr } from "../../src/metrics/psnr";
export { mean, median } from "../../src/metrics/statistics";

/** Share of true values. */
export const share = (values: readonly boolean[]): number => values.filter(Boolean).length / values.length;
