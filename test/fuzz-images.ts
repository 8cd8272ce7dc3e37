import sharp, { type Sharp } from "sharp";
import { decodeImage } from "../src/platform/images-node";
import type { FuzzTarget } from "./fuzz-harness";

/** A small picture with something of every frequency. */
function picture(): Sharp {
  const side = 24;
  const data = Buffer.from(Array.from({ length: 3 * side * side }, (_, i) => (i * i * 7 + i * 31) % 256));
  return sharp(data, { raw: { width: side, height: side, channels: 3 } });
}

/** Mutated pictures are decoded to as many pixels as they say, or refused in one line. */
export const imageTargets: readonly FuzzTarget[] = (["png", "jpeg", "webp"] as const).map((format) => ({
  name: format,
  share: 1.1,
  seeds: async () => [await picture().toFormat(format).toBuffer()],
  async run(bytes) {
    const { data, width, height } = await decodeImage(bytes, `picture.${format}`);
    if (data.length !== 4 * width * height) throw new Error(`${data.length} bytes for ${width}x${height} pixels`);
  },
}));
