import type { BareImage, ImageTensor, Pixels } from "../api";
import { UserError } from "../errors";
import type { Platform } from "../inject/platform";
import { shortUrl } from "../urls";
import { addPngText } from "./png-text";

const expected = "a picture the browser can show (PNG, JPEG, WebP, AVIF, GIF)";

/** Any form of a picture that a page or worker knows, decoded; pixels and tensors pass through. A string is a URL.
 *  @throws UserError for what cannot be fetched or decoded */
export async function pixelsOf(input: BareImage): Promise<Pixels | ImageTensor> {
  if (typeof input === "string" || input instanceof URL) return decodeImage(await fetchBlob(String(input)));
  if (input instanceof Blob) return decodeImage(input);
  if (input instanceof Uint8Array || input instanceof ArrayBuffer)
    return decodeImage(new Blob([input as BlobPart]), "image bytes");
  if ("tensor" in input) return input;
  if ("data" in input) return input;
  return readCanvas(input);
}

/** Decodes a file: EXIF-rotated upright, colour profile applied (to sRGB), alpha laid over white, first frame of many.
 *  @throws UserError for an empty or damaged file, or one that is no picture */
export async function decodeImage(file: Blob, name = nameOf(file)): Promise<Pixels> {
  if (file.size === 0) throw new UserError(`${name}: is empty (0 bytes), expected ${expected}`);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new UserError(`${name}: is damaged or not ${expected}`);
  }
  try {
    return readCanvas(bitmap);
  } finally {
    bitmap.close();
  }
}

/** A PNG file with text metadata. Alpha is kept at 255: every picture here is opaque. */
export async function encodePng(
  { data, width, height }: Pixels,
  text: Readonly<Record<string, string>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { canvas, context } = newCanvas(width, height);
  context.putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
  const blob = await ("convertToBlob" in canvas
    ? canvas.convertToBlob({ type: "image/png" })
    : new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png")));
  if (!blob)
    throw new UserError(`${width}x${height} pixels: the browser could not write the PNG; try a smaller picture`);
  return addPngText(new Uint8Array(await blob.arrayBuffer()), text);
}

/** Pictures in a page or a worker. */
export const platform: Platform = { decode: pixelsOf, encodePng };

type Drawable = ImageBitmap | HTMLCanvasElement | OffscreenCanvas;

function readCanvas(source: Drawable): Pixels {
  const { width, height } = source;
  if (!(width > 0 && height > 0)) throw new UserError(`image: ${width}x${height} pixels, expected some`);
  const { context } = newCanvas(width, height);
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0);
  try {
    return { data: context.getImageData(0, 0, width, height).data, width, height };
  } catch {
    throw new UserError(`image: ${width}x${height} pixels could not be read; shrink it, or use one from this site`);
  }
}

function newCanvas(width: number, height: number) {
  const canvas =
    typeof OffscreenCanvas === "undefined"
      ? Object.assign(document.createElement("canvas"), { width, height })
      : new OffscreenCanvas(width, height);
  const options = { willReadFrequently: true, colorSpace: "srgb" } as const;
  const context = canvas.getContext("2d", options) as OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D;
  if (!context) throw new UserError(`image: no canvas of ${width}x${height} could be made; shrink the picture`);
  return { canvas, context };
}

async function fetchBlob(url: string): Promise<Blob> {
  const response = await fetch(url).catch(() => undefined);
  if (!response) throw new UserError(`${shortUrl(url)}: could not be reached; check the address and the connection`);
  if (!response.ok) throw new UserError(`${shortUrl(url)}: the server answered ${response.status}; check the address`);
  return response.blob();
}

const nameOf = (file: Blob): string => (file instanceof File ? file.name : "image");
