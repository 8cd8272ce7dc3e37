import sharp, { type Sharp } from "sharp";
import { crc32 } from "../src/model/checkpoint/crc32";
import { decodeImage } from "../src/platform/images-node";
import type { FuzzTarget, Pick } from "./fuzz-harness";

/** A small picture with something of every frequency. */
function picture(): Sharp {
  const side = 24;
  const data = Buffer.from(Array.from({ length: 3 * side * side }, (_, i) => (i * i * 7 + i * 31) % 256));
  return sharp(data, { raw: { width: side, height: side, channels: 3 } });
}

/** Sizes that a picture may claim without having them. */
const sides = [0, 1, 2, 255, 4096, 8192, 16_383, 16_384, 32_767, 65_535];

/** Sets width, height, depth and the like in the header of a PNG, its checksum made right again. */
function mutatePng(bytes: Uint8Array, pick: Pick): Uint8Array {
  const out = Buffer.from(bytes);
  if (out.length < 33) return bytes;
  if (pick(4)) out.writeUInt32BE([...sides, 100_000, 0x7fffffff, 0xffffffff][pick(13)]!, 16 + 4 * pick(2));
  else out[24 + pick(5)] = [0, 1, 2, 3, 4, 6, 8, 16, pick(256)][pick(9)]!;
  out.writeUInt32BE(crc32(out.subarray(12, 29)), 29);
  return new Uint8Array(out);
}

/** Sets a 16-bit field near a landmark of the format: a frame header, a screen, a tag. */
const mutateField =
  (landmarks: readonly string[], reach: number, little: boolean) =>
  (bytes: Uint8Array, pick: Pick): Uint8Array => {
    const out = Buffer.from(bytes);
    const at = out.indexOf(landmarks[pick(landmarks.length)]!, 0, "latin1");
    const place = at + pick(reach);
    if (at < 0 || place + 2 > out.length) return bytes;
    const value = pick(3) ? sides[pick(sides.length)]! : pick(65_536);
    if (little) out.writeUInt16LE(value, place);
    else out.writeUInt16BE(value, place);
    return new Uint8Array(out);
  };

const formats: readonly (readonly [
  name: string,
  format: "png" | "jpeg" | "webp" | "gif" | "tiff" | "avif",
  options: object,
  mutate: NonNullable<FuzzTarget["mutate"]>,
])[] = [
  ["png", "png", {}, mutatePng],
  ["png-interlaced", "png", { progressive: true }, mutatePng],
  ["jpeg", "jpeg", {}, mutateField(["\xff\xc0", "\xff\xc4", "\xff\xda", "\xff\xdb"], 12, false)],
  ["jpeg-progressive", "jpeg", { progressive: true }, mutateField(["\xff\xc2", "\xff\xda", "\xff\xc4"], 12, false)],
  ["webp", "webp", {}, mutateField(["RIFF", "VP8 ", "VP8X"], 16, true)],
  ["webp-lossless", "webp", { lossless: true }, mutateField(["RIFF", "VP8L"], 12, true)],
  ["gif", "gif", {}, mutateField(["GIF8", "!\xf9", ","], 14, true)],
  [
    "tiff",
    "tiff",
    {},
    mutateField(["II*\0", "\0\x01\x04\0", "\x01\x01\x03\0", "\x03\x01\x03\0", "\x16\x01"], 14, true),
  ],
  [
    "tiff-tiled",
    "tiff",
    { tile: true, compression: "deflate" },
    mutateField(["\x42\x01", "\x43\x01", "\0\x01"], 14, true),
  ],
  ["avif", "avif", { effort: 0 }, mutateField(["ispe", "ftyp", "iloc", "av1C", "pixi"], 20, false)],
];

/** Mutated pictures are decoded to as many pixels as they say, or refused in one line. */
export const imageTargets: readonly FuzzTarget[] = formats.map(([name, format, options, mutate]) => ({
  name,
  share: 1.1,
  maxBytes: 2 ** 28,
  seeds: async () => [new Uint8Array(await picture().toFormat(format, options).toBuffer())],
  mutate,
  async run(bytes) {
    const { data, width, height } = await decodeImage(bytes, `picture.${format}`);
    if (data.length !== 4 * width * height) throw new Error(`${data.length} bytes for ${width}x${height} pixels`);
  },
}));
