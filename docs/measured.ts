import type { Pixels } from "../src/api";
import { geometryDistance } from "../src/metrics/edges";
import { decodeImage, resize } from "../src/platform/images-node";

/** What happened to a result, in a sentence: how far its halves are from the original's, and how far its edges went to each
 *  content's. The pictures are square files. */
export async function measured(result: string, original: string, contents: readonly string[]): Promise<string> {
  const made = await decodeImage(result);
  const read = async (file: string) => resize(await decodeImage(file), made.width, made.height);
  const own = await read(original);
  const fromOriginal = geometryDistance(made, own);
  const moved = await Promise.all(
    contents.map(async (file, i) => {
      const share = fromOriginal / (fromOriginal + geometryDistance(made, await read(file)) || 1);
      return `${share.toFixed(2)} of the way to ${contents.length > 1 ? `content ${i + 1}` : "the content"}`;
    }),
  );
  const [left, right] = [0, 1].map((half) => difference(made, own, half as 0 | 1).toFixed(1));
  return `Measured: ${left} levels of 255 from the original in the left half, ${right} in the right; edges ${moved.join(", ")}.`;
}

/** Mean absolute difference of the colours in the left (0) or right (1) half, in bytes. */
function difference(a: Pixels, b: Pixels, half: 0 | 1): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < a.data.length; i++) {
    const column = (i >> 2) % a.width;
    if (i % 4 === 3 || Number(column >= a.width / 2) !== half) continue;
    sum += Math.abs(a.data[i]! - b.data[i]!);
    count++;
  }
  return sum / count;
}
