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
  const { width, height } = made;
  const halves: readonly [string, (x: number, y: number) => boolean][] = [
    ["left", (x) => x < width / 2],
    ["right", (x) => x >= width / 2],
    ["upper", (_, y) => y < height / 2],
    ["lower", (_, y) => y >= height / 2],
  ];
  const apart = halves.map(([half, inside]) => `${difference(made, own, inside).toFixed(1)} in the ${half}`);
  return `Measured: levels of 255 from the original by half of the picture: ${apart.join(", ")}; edges ${moved.join(", ")}.`;
}

/** Mean absolute difference of the colours where `inside` is true, in bytes. */
function difference(a: Pixels, b: Pixels, inside: (x: number, y: number) => boolean): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < a.data.length; i++) {
    const pixel = i >> 2;
    if (i % 4 === 3 || !inside(pixel % a.width, Math.floor(pixel / a.width))) continue;
    sum += Math.abs(a.data[i]! - b.data[i]!);
    count++;
  }
  return sum / count;
}
