import type { Factors } from "./factors";
import type { Pixels } from "./measures";
import { drawPortrait, sampleFactors } from "./portrait";

/** Seeds from here on are for measuring: training draws from 1,000,000 on, one million to each `--seed` of `draw.ts`. */
const FIRST_SEED = 900_000_000;

/** Portrait i of those that no training sees. @param changes factors to set */
export const heldOut = (i: number, side: number, changes: Partial<Factors> = {}): Pixels => ({
  width: side,
  height: side,
  data: drawPortrait({ ...sampleFactors(FIRST_SEED + i), ...changes }, side),
});
