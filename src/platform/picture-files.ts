import type { Metadata, Sharp } from "sharp";
import { UserError } from "../errors";
import type { PictureLimits } from "./picture-limits";
import { sharpLibrary } from "./sharp";

/** Formats that are decoded, for messages. */
export const PICTURES = "a picture (JPEG, PNG, WebP, AVIF, GIF, TIFF)";

const MAX_PIXELS = 2 ** 26;

/** Larger pictures are reduced while they are decoded: every network here is smaller still. */
const MAX_DECODED = 2 ** 24;

const MAX_SECONDS = 60;

/** [name in sharp, offset, bytes there]. libvips reads more formats, but they need not be exposed to strangers' files: an
 *  SVG filter may run for minutes. */
const magics: readonly (readonly [format: string, at: number, magic: string])[] = [
  ["jpeg", 0, "\xff\xd8\xff"],
  ["png", 0, "\x89PNG\r\n\x1a\n"],
  ["webp", 8, "WEBP"],
  ["gif", 0, "GIF87a"],
  ["gif", 0, "GIF89a"],
  ["tiff", 0, "II*\0"],
  ["tiff", 0, "MM\0*"],
  ["tiff", 0, "II+\0"],
  ["tiff", 0, "MM\0+"],
  ["heif", 4, "ftypavif"],
  ["heif", 4, "ftypavis"],
  ["heif", 4, "ftypmif1"],
];

const latin1 = (bytes: Uint8Array, length: number) => String.fromCharCode(...bytes.subarray(0, length));

/** Names the format of a file by its first bytes; undefined for those that are not decoded. */
export function formatOf(bytes: Uint8Array): string | undefined {
  const start = latin1(bytes, 16);
  return magics.find(([, at, magic]) => start.startsWith(magic, at))?.[0];
}

/** Is this text with an SVG element near its start? */
const isSvg = (bytes: Uint8Array): boolean => /^[^\w<]*<.*?svg[\s>]/is.test(latin1(bytes, 1000));

/** Share of the limit that a picture may have whose rows are all held at once: measured, so that decoding takes less than
 *  256 MB. An AVIF takes 20 bytes a pixel, an animated canvas of GIF 12. */
function shareOf({ format, isProgressive }: Metadata): number {
  if (format === "heif") return 3 / 16;
  if (format === "gif") return 1 / 4;
  return isProgressive || format === "webp" ? 1 / 2 : 1;
}

function limitOf({ maxPixels }: PictureLimits): number {
  const limit = maxPixels ?? Number(process.env.INJECTFUSION_MAX_PIXELS ?? MAX_PIXELS);
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new UserError(
    `${maxPixels === undefined ? "INJECTFUSION_MAX_PIXELS" : "maxPixels"}: expected a whole number of pixels above 0, got ${maxPixels ?? process.env.INJECTFUSION_MAX_PIXELS}`,
  );
}

/** Size of an upright picture. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Opens a picture upright (EXIF), reduced to at most 2^24 pixels, and decodes it with `decode`. JPEG and WebP are decoded
 *  at the reduced size, the other formats row by row where they can be: memory is about 4 bytes for each pixel of the
 *  result, and 4 to 20 for each pixel of pictures that cannot be decoded row by row.
 *  @param decode called with the picture and its size before it was reduced
 *  @throws UserError for a file of another format, one that is damaged, or one with too many pixels */
export async function openPicture<T>(
  bytes: Uint8Array,
  name: string,
  limits: PictureLimits,
  decode: (picture: Sharp, full: Size) => Promise<T>,
): Promise<T> {
  const most = limitOf(limits);
  const format = formatOf(bytes);
  if (!format && isSvg(bytes))
    throw new UserError(`${name}: is an SVG drawing, not a picture of pixels; export it as PNG`);
  if (!format) throw new UserError(`${name}: is not a picture that can be read, expected ${PICTURES}`);
  const sharp = await sharpLibrary();
  try {
    const options = { failOn: "error", limitInputPixels: false } as const;
    const meta = await sharp(bytes, options).metadata();
    if (meta.format !== format) throw new Error(`${meta.format} behind the first bytes of ${format}`);
    checkPixels(meta, name, most);
    const picture = sharp(bytes, options).timeout({ seconds: MAX_SECONDS }).autoOrient();
    const { width, height } = meta.autoOrient;
    const scale = Math.sqrt(MAX_DECODED / (width * height));
    if (scale < 1)
      picture.resize({
        width: Math.max(1, Math.floor(width * scale)),
        height: Math.max(1, Math.floor(height * scale)),
        fit: "fill",
        kernel: "linear",
      });
    return await decode(picture, { width, height });
  } catch (error) {
    throw refusal(error, name);
  }
}

/** A strip of rows is held for every operation, so a side has a limit as well: a PNG of 1,000,000 x 67 took 1.7 GB. */
function checkPixels(meta: Metadata, name: string, most: number): void {
  const pixels = meta.width * meta.height;
  const size = `${meta.width}x${meta.height}`;
  const raised = (to: number) =>
    `make it smaller, or raise the limit (option maxPixels, or INJECTFUSION_MAX_PIXELS=${to})`;
  const allowed = Math.floor(most * shareOf(meta));
  if (pixels > allowed) {
    const found = `has ${pixels} pixels (${size}); at most ${allowed} are decoded in this format`;
    throw new UserError(`${name}: ${found}; ${raised(Math.ceil(pixels / shareOf(meta)))}`);
  }
  const side = Math.max(meta.width, meta.height);
  const longest = Math.floor(2 * Math.sqrt(most));
  if (side > longest)
    throw new UserError(
      `${name}: has a side of ${side} pixels (${size}), expected at most ${longest}; ${raised(Math.ceil((side / 2) ** 2))}`,
    );
}

/** Turns an error of the decoder into one line. */
function refusal(error: unknown, name: string): UserError {
  if (error instanceof UserError) return error;
  const [line = ""] = (error as Error).message.split("\n");
  if (/unsupported image format|not in a known format|contains unsupported|unknown file/i.test(line))
    return new UserError(`${name}: is not a picture that can be read, expected ${PICTURES}`);
  if (/^timeout/i.test(line))
    return new UserError(`${name}: could not be decoded within ${MAX_SECONDS} s; make it smaller first`);
  return new UserError(`${name}: is damaged or cut short (${line.trim().slice(0, 200)}); expected ${PICTURES}`);
}
