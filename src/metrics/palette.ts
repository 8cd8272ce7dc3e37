import type { Pixels } from "../api";
import { sameSize } from "./image";

/** How far two palettes are apart, wherever in the picture the colours lie: the sliced Wasserstein-1 distance of the two
 *  clouds of RGB colours over fixed directions, in bytes. 0 for a picture and its own shuffled pixels. */
export function paletteDistance(a: Pixels, b: Pixels): number {
  sameSize(a, b);
  let sum = 0;
  for (const direction of directions) {
    const p = projected(a, direction);
    const q = projected(b, direction);
    for (let i = 0; i < p.length; i++) sum += Math.abs(p[i]! - q[i]!);
  }
  return sum / directions.length / (a.width * a.height);
}

const directions = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
  [1, 1, 1],
  [1, -1, 0],
  [0, 1, -1],
  [-1, 0, 1],
  [1, 1, -2],
  [1, -2, 1],
  [-2, 1, 1],
].map((d) => d.map((v) => v / Math.hypot(...d)));

function projected({ data }: Pixels, [r, g, b]: readonly number[]): Float64Array {
  const values = new Float64Array(data.length / 4);
  for (let i = 0; i < values.length; i++) values[i] = r! * data[i * 4]! + g! * data[i * 4 + 1]! + b! * data[i * 4 + 2]!;
  return values.sort();
}
