import type { Factors, Rgb } from "./factors";
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

/** The pixels of portrait i that show bare skin, row by row: those that turn from green to magenta with it. */
export function skinOf(i: number, side: number): boolean[] {
  const painted = (skin: Rgb) => heldOut(i, side, { skin, light: [1, 1, 1], texture: "plain" }).data;
  const [green, magenta] = [painted([0, 1, 0]), painted([1, 0, 1])];
  return Array.from({ length: side * side }, (_, p) => green[4 * p + 1]! - magenta[4 * p + 1]! > 96);
}
