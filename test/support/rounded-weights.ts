import { fromHalf, toHalf } from "../../src/half";
import type { ConvData } from "../../src/reference/conv";

/** Inputs as a kernel with f16 weights sees them. */
export const roundedWeights = (d: ConvData): ConvData => ({
  ...d,
  weight: fromHalf(toHalf(Float32Array.from(d.weight))),
});
