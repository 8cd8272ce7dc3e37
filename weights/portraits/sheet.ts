/** Pictures side by side in one PNG, to be looked at. Node only. */
import sharp from "sharp";
import type { Pixels } from "./measures";

const GAP = 4;

export async function writeSheet(path: string, pictures: readonly Pixels[], columns: number): Promise<void> {
  const { width, height } = pictures[0]!;
  const tiles = pictures.map(({ data }, i) => ({
    input: Buffer.from(data),
    raw: { width, height, channels: 4 as const },
    left: GAP + (i % columns) * (width + GAP),
    top: GAP + Math.floor(i / columns) * (height + GAP),
  }));
  const across = GAP + columns * (width + GAP);
  const down = GAP + Math.ceil(pictures.length / columns) * (height + GAP);
  await sharp({ create: { width: across, height: down, channels: 3, background: "#222" } })
    .composite(tiles)
    .png({ compressionLevel: 9 })
    .toFile(path);
}
