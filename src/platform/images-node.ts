import { fileURLToPath } from "node:url";
import type { MaskInput, Pixels } from "../api";
import { UserError } from "../errors";
import { readWhole, writeWhole } from "./files-node";
import { addPngText } from "./png-text";
import { sharpLibrary } from "./sharp";

/** An image file, by path or by its bytes. */
export type ImageFile = string | URL | Uint8Array | ArrayBuffer | Blob;

const needed = "a picture (JPEG, PNG, WebP, AVIF, GIF, TIFF)";

/** Decodes a picture: EXIF-rotated upright, colour profile applied (to sRGB), alpha laid over white, first frame of many.
 *  @throws UserError for a file that is missing, empty, truncated or not a picture. */
export async function decodeImage(file: ImageFile, name = nameOf(file)): Promise<Pixels> {
  const bytes = await bytesOf(file, name);
  return guard(name, async () => {
    const { data, info } = await (await opened(bytes))
      .autoOrient()
      .flatten({ background: "white" })
      .toColourspace("srgb")
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 4) throw new Error(`decoded to ${info.channels} channels`);
    return { data: new Uint8Array(data), width: info.width, height: info.height };
  });
}

/** Decodes a mask: white (or opaque, in a picture that is all one colour) acts, black does not.
 *  @throws UserError as `decodeImage`, and for a mask that is 0 everywhere. */
export async function decodeMask(file: ImageFile, name = nameOf(file)): Promise<MaskInput> {
  const bytes = await bytesOf(file, name);
  return guard(name, async () => {
    const { data, info } = await (await opened(bytes))
      .autoOrient()
      .toColourspace("srgb")
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const values = new Float32Array(info.width * info.height);
    for (let i = 0; i < values.length; i++) {
      const at = i * 4;
      const luma = 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
      values[i] = Math.min(1, (luma * data[at + 3]!) / (255 * 255));
    }
    if (!values.some((value) => value > 0))
      throw new UserError(
        `${name}: the mask is black everywhere, so nothing would be injected; paint the region white`,
      );
    return { values, width: info.width, height: info.height };
  });
}

/** Number of frames (or pages) of a picture file; 1 where it cannot be read. */
export async function frameCount(bytes: Uint8Array): Promise<number> {
  const { pages } = await (await opened(bytes)).metadata().catch(() => ({ pages: 1 }));
  return pages ?? 1;
}

/** A picture at another size: centre-cropped to its aspect, resized with antialiased bilinear weights. */
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

/** A PNG file, with text metadata if given. Alpha is dropped: every picture here is opaque. */
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

const opened = async (bytes: Uint8Array) =>
  (await sharpLibrary())(bytes, { failOn: "error", limitInputPixels: 2 ** 28 });

function nameOf(file: ImageFile): string {
  if (typeof file === "string") return file;
  if (file instanceof URL) return file.protocol === "file:" ? fileURLToPath(file) : file.href;
  return file instanceof Blob && "name" in file ? String(file.name) : "image bytes";
}

async function bytesOf(file: ImageFile, name: string): Promise<Uint8Array> {
  if (typeof file === "string") return readWhole(file, needed);
  if (file instanceof URL) {
    if (file.protocol === "file:") return readWhole(fileURLToPath(file), needed);
    throw new UserError(`${name}: pictures are read from files; download it first`);
  }
  const bytes = file instanceof Blob ? new Uint8Array(await file.arrayBuffer()) : new Uint8Array(file);
  if (bytes.length === 0) throw new UserError(`${name}: is empty (0 bytes), needed ${needed}`);
  return bytes;
}

/** Runs a decoder; what it says of a bad file becomes one line. */
async function guard<T>(name: string, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const [line = ""] = (error as Error).message.split("\n");
    if (/unsupported image format|not in a known format|contains unsupported|unknown file/i.test(line))
      throw new UserError(`${name}: is not a picture that can be read, needed ${needed}`);
    if (/pixel limit/i.test(line))
      throw new UserError(`${name}: has more than 268 million pixels; make it smaller first`);
    throw new UserError(`${name}: is damaged or cut short (${line.trim()}); needed ${needed}`);
  }
}
