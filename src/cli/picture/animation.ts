import { sharpLibrary } from "../../platform/sharp";
import { UsageError } from "../failure";
import { drawSheet, type Tile } from "./sheet";

/** Milliseconds a frame stays, and how long the first and the last do. */
const FRAME = 120;
const PAUSE = 700;

const formats = { ".webp": "webp", ".gif": "gif" } as const;

/** The format that a file name asks for. @throws UsageError for any other */
export function animationFormat(file: string): "webp" | "gif" {
  const found = Object.entries(formats).find(([extension]) => file.toLowerCase().endsWith(extension));
  if (!found)
    throw new UsageError(`--animation ${file}: animations are written as WebP or GIF; name the file *.webp or *.gif`);
  return found[1];
}

/** Frames there and back again, enlarged and captioned, as an animated file. */
export async function drawAnimation(frames: readonly Tile[], format: "webp" | "gif"): Promise<Uint8Array> {
  const drawn = await Promise.all(frames.map((tile) => drawSheet({ rows: [[tile]] })));
  const order = [...drawn, ...drawn.slice(1, -1).reverse()];
  const delay = order.map((_, i) => (i === 0 || i === drawn.length - 1 ? PAUSE : FRAME));
  const sharp = await sharpLibrary();
  const joined = sharp(
    order.map((frame) => Buffer.from(frame)),
    { join: { animated: true } },
  );
  const encoded = format === "webp" ? joined.webp({ delay, loop: 0, quality: 90 }) : joined.gif({ delay, loop: 0 });
  return encoded.toBuffer();
}
