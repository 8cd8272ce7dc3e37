import { fileURLToPath } from "node:url";
import type { MaskInput, Pixels } from "../api";
import { UserError } from "../errors";
import { isUrl, shortUrl } from "../urls";
import { readWhole, writeWhole } from "./files-node";
import { formatOf, openPicture, PICTURES } from "./picture-files";
import type { PictureLimits } from "./picture-limits";
import { addPngText } from "./png-text";
import { sharpLibrary } from "./sharp";

/** A picture file, by path or by its bytes. */
export type ImageFile = string | URL | Uint8Array | ArrayBuffer | Blob;

/** Largest file of a picture: the limit on pixels leaves no room for more. */
const MAX_FILE_BYTES = 2 ** 28;

/** Decodes a picture: upright by its EXIF orientation, converted to sRGB, alpha composited over white, first frame only.
 *  Pictures of more than 2^24 pixels are reduced to that, and say what size they had (`full`).
 *  @throws UserError for a file that is missing, empty, truncated, not a picture, or has more pixels than the limit */
export async function decodeImage(file: ImageFile, name = nameOf(file), limits: PictureLimits = {}): Promise<Pixels> {
  return openPicture(await bytesOf(file, name), name, limits, async (picture, full) => {
    const { data, info } = await picture
      .flatten({ background: "white" })
      .toColourspace("srgb")
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 4) throw new Error(`decoded to ${info.channels} channels`);
    return {
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      width: info.width,
      height: info.height,
      ...(info.width < full.width && { full }),
    };
  });
}

/** Decodes a mask: injection acts where it is white (or opaque, in a picture of one colour), not where it is black.
 *  @throws UserError as `decodeImage`, and for a mask that is 0 everywhere */
export async function decodeMask(file: ImageFile, name = nameOf(file), limits: PictureLimits = {}): Promise<MaskInput> {
  return openPicture(await bytesOf(file, name), name, limits, async (picture) => {
    const { data, info } = await picture
      .toColourspace("srgb")
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const values = new Float32Array(info.width * info.height);
    let sum = 0;
    for (let i = 0; i < values.length; i++) {
      const at = i * 4;
      const luma = 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
      values[i] = Math.min(1, (luma * data[at + 3]!) / (255 * 255));
      sum += values[i]!;
    }
    if (sum === 0)
      throw new UserError(
        `${name}: the mask is black everywhere, so nothing would be injected; paint the region white`,
      );
    return { values, width: info.width, height: info.height };
  });
}

/** Counts the frames (or pages) of a picture file; 1 where it cannot be read. */
export async function frameCount(bytes: Uint8Array): Promise<number> {
  const sharp = await sharpLibrary();
  const { pages } = formatOf(bytes)
    ? await sharp(bytes)
        .metadata()
        .catch(() => ({ pages: 1 }))
    : { pages: 1 };
  return pages ?? 1;
}

/** Resizes a picture with antialiased bilinear weights, after a centre crop to the new aspect ratio. */
export async function resize({ data, width, height }: Pixels, toWidth: number, toHeight: number): Promise<Pixels> {
  if (width === toWidth && height === toHeight) return { data, width, height };
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const sharp = await sharpLibrary();
  const resized = await sharp(bytes, { raw: { width, height, channels: 4 } })
    .resize(toWidth, toHeight, { fit: "cover", kernel: "linear" })
    .raw()
    .toBuffer();
  return { data: new Uint8Array(resized), width: toWidth, height: toHeight };
}

/** Encodes a PNG file, with optional text metadata. Alpha is dropped: every picture here is opaque. */
export async function encodePng(
  { data, width, height }: Pixels,
  text: Readonly<Record<string, string>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const sharp = await sharpLibrary();
  const png = await sharp(bytes, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .png()
    .toBuffer();
  return addPngText(png, text);
}

/** Writes a PNG file, whole or not at all. */
export async function writePng(
  file: string,
  pixels: Pixels,
  text: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeWhole(file, await encodePng(pixels, text));
}

function nameOf(file: ImageFile): string {
  if (typeof file === "string") return isUrl(file) ? shortUrl(file) : file;
  if (file instanceof URL) return file.protocol === "file:" ? fileURLToPath(file) : shortUrl(file);
  return file instanceof Blob && "name" in file ? String(file.name) : "image bytes";
}

async function bytesOf(file: ImageFile, name: string): Promise<Uint8Array> {
  if (typeof file === "string" && !isUrl(file)) return readWhole(file, PICTURES, MAX_FILE_BYTES);
  if (typeof file === "string" || file instanceof URL) {
    const path = /^file:/i.test(String(file)) ? fileURLToPath(file) : undefined;
    if (path !== undefined) return readWhole(path, PICTURES, MAX_FILE_BYTES);
    throw new UserError(`${name}: pictures are read from files; download it first`);
  }
  const size = file instanceof Blob ? file.size : file.byteLength;
  if (size > MAX_FILE_BYTES) throw new UserError(`${name}: has ${size} bytes; at most ${MAX_FILE_BYTES} are read`);
  const bytes = file instanceof Blob ? new Uint8Array(await file.arrayBuffer()) : new Uint8Array(file);
  if (bytes.length === 0) throw new UserError(`${name}: is empty (0 bytes), expected ${PICTURES}`);
  return bytes;
}
