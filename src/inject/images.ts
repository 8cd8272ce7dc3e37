import type { BareImage, ImageInput, ImageTensor, MaskInput, MaskOption, Pixels, Square } from "../api";
import { UserError } from "../errors";
import { Buffers, readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { runOnce } from "../gpu/encode";
import { f32, type Tensor, u32 } from "../kernels/dispatch";
import { type Placement, placementData, resample } from "../kernels/pointwise/resample";
import { toRgba8 } from "../kernels/pointwise/to-rgba8";
import type { PictureShape } from "../model/config";
import { type Aspect, centreSquare, sampleSquare, scaleSquare, squareIn, stretch } from "./placement";

/** A decoded picture, and the square of it that the model sees; a tensor is the model's square already. */
export type PlacedPixels = { readonly pixels: Pixels; readonly square: Square } | { readonly pixels: ImageTensor };

/** A picture as its file has it: its size, and its square unless that is the centred one. */
export interface SourcePicture {
  readonly width: number;
  readonly height: number;
  readonly square?: Square;
}

/** Decodes a picture and resolves its placement.
 *  @throws UserError for a bad picture, and for a placement that is out of the picture, or given to a tensor */
export async function placedPixels(
  input: ImageInput,
  decode: (image: BareImage) => Promise<Pixels | ImageTensor>,
  model?: Aspect,
): Promise<PlacedPixels> {
  const placed = typeof input === "object" && "image" in input;
  const { image, placement } = placed ? input : { image: input, placement: undefined };
  const pixels = await decode(image);
  if (!("tensor" in pixels)) return { pixels, square: squareIn(pixels, placement, model) };
  if (placement) throw new UserError("placement: a tensor is the model's square already; leave the placement out");
  return { pixels };
}

/** Size and square of a picture, as an inversion remembers them. */
export function sourceOf(placed: PlacedPixels, model?: Aspect): SourcePicture | undefined {
  if (!("square" in placed)) return undefined;
  const { width, height } = placed.pixels;
  const { square } = placed;
  const centre = centreSquare(width, height, model);
  const moved = !!square.degrees || square.x !== centre.x || square.y !== centre.y || square.size !== centre.size;
  const full = placed.pixels.full ?? { width, height };
  return { ...full, ...(moved && { square: scaleSquare(square, full.width / width) }) };
}

/** Places pictures into x: f32 [N, C, H, W] in [-1, 1], by antialiased resampling on the GPU; tensors are copied. A model of
 *  one channel sees the luminance.
 *  @throws UserError for an empty picture, a tensor of another size, values that are not finite, or a model of other
 *  channels than a picture has */
export async function placeImages(
  device: Device,
  images: readonly PlacedPixels[],
  shape: PictureShape,
  x: GPUBuffer,
  signal?: AbortSignal,
): Promise<void> {
  const { channels, height, width } = shape;
  const count = channels * height * width;
  for (const [slot, image] of images.entries()) {
    if (!("square" in image)) {
      const { tensor } = image.pixels;
      if (tensor.length !== count)
        throw new UserError(
          `image ${slot}: a tensor of ${tensor.length} values; the model needs ${channels}x${height}x${width}`,
        );
      if (!tensor.every(Number.isFinite)) throw new UserError(`image ${slot}: holds values that are not finite`);
      device.gpu.queue.writeBuffer(x, slot * count * 4, new Float32Array(tensor));
      continue;
    }
    expectPictures(channels);
    const y = f32("x", images.length, channels, height, width);
    const { pixels, square } = image;
    await resampleInto(device, pixels, sampleSquare(square, pixels.width, pixels.height, shape), y, x, slot, signal);
  }
}

/** @throws UserError for a network whose inputs are no pictures */
function expectPictures(channels: number): void {
  if (channels !== 1 && channels !== 3)
    throw new UserError(
      `this network takes ${channels} channels, which are no picture; give and read values (tensors)`,
    );
}

/** The official mask on an h grid, hard-coded there: rows 4 to the last but one, columns 3 and 4. */
export function officialMask(height: number, width: number): MaskInput {
  const values = Float32Array.from({ length: height * width }, (_, i) => {
    const row = Math.floor(i / width);
    const column = i % width;
    return row >= 4 && row < height - 1 && column >= 3 && column < 5 ? 1 : 0;
  });
  return { values, height, width };
}

/** Carries masks to the h grid, or to x: f32 [K, H, W]. A mask of the picture's own aspect is placed as the picture was. A
 *  mask of the model's aspect covers what the model sees, unless it has the very size of such a picture that was placed.
 *  @param picture the picture the masks belong to
 *  @throws UserError for values outside [0, 1], or a mask of another aspect */
export async function placeMasks(
  device: Device,
  masks: readonly MaskOption[],
  grid: Aspect,
  to: GPUBuffer,
  picture?: SourcePicture,
  signal?: AbortSignal,
): Promise<void> {
  const y = f32("mask", masks.length, grid.height, grid.width);
  for (const [slot, mask] of masks.entries()) {
    const { values, width, height } = mask === "official" ? officialMask(grid.height, grid.width) : mask;
    const covers = coversModel({ values, width, height }, grid, picture);
    if (covers && width === grid.width) {
      device.gpu.queue.writeBuffer(to, 4 * width * height * slot, Float32Array.from(values));
      continue;
    }
    const data = new Uint8Array(4 * width * height);
    for (let i = 0; i < width * height; i++) data.fill(Math.round(values[i]! * 255), 4 * i, 4 * i + 4);
    const own = picture?.square
      ? scaleSquare(picture.square, width / picture.width)
      : centreSquare(width, height, grid);
    const placement = covers ? stretch(width, height, grid.width, grid.height) : sampleSquare(own, width, height, grid);
    await resampleInto(device, { data, width, height }, placement, y, to, slot, signal);
  }
}

/** Whether a mask covers what the model sees, or else the whole picture.
 *  @throws UserError for values outside [0, 1], or a mask of neither aspect */
function coversModel({ values, width, height }: MaskInput, grid: Aspect, picture: SourcePicture | undefined): boolean {
  if (values.length !== width * height) throw new UserError(`mask: ${values.length} values for ${width}x${height}`);
  const bad = Array.from(values).find((v) => !(v >= 0 && v <= 1));
  if (bad !== undefined) throw new UserError(`mask: a value of ${bad}, expected 0 to 1`);
  const follows = picture?.square && picture.width === width && picture.height === height;
  const covers = width * grid.height === height * grid.width && !follows;
  const same = picture && Math.abs((width * picture.height) / (height * picture.width) - 1) < 0.01;
  if (!covers && !same) {
    const aspect =
      picture && picture.width !== picture.height
        ? ` or of the original's aspect, as ${picture.width}x${picture.height}`
        : "";
    throw new UserError(
      `mask: ${width}x${height}, expected a ${grid.width === grid.height ? "square mask" : `mask of the aspect ${grid.width}x${grid.height}`}${aspect}`,
    );
  }
  return covers;
}

/** Resamples one picture into sample `slot` of y. */
export async function resampleInto(
  device: Device,
  { data, width, height }: Pixels,
  placement: Placement,
  y: Tensor,
  buffer: GPUBuffer,
  slot: number,
  signal?: AbortSignal,
): Promise<void> {
  if (!(width > 0 && height > 0) || data.length !== 4 * width * height)
    throw new UserError(`image: ${data.length} bytes for ${width}x${height} RGBA pixels`);
  const limit = device.gpu.limits.maxStorageBufferBindingSize;
  if (data.length > limit)
    throw new UserError(
      `image: ${width}x${height} pixels take ${data.length} bytes, this adapter binds ${limit}; shrink it`,
    );
  const image = u32("image", height, width);
  const where = f32("placement", 20);
  const own = new Buffers(device);
  try {
    const pixels = own.upload("image", new Uint8Array(data));
    const matrix = own.upload("placement", placementData(placement));
    await own.ready();
    const buffers: Record<string, GPUBuffer> = { [image.name]: pixels, [where.name]: matrix, [y.name]: buffer };
    const dispatches = resample({ image, placement: where, y }, { slot });
    await runOnce(device, dispatches, ({ name }) => ({ buffer: buffers[name]! }), signal);
  } finally {
    own.destroy();
  }
}

/** x: f32 [N, 3, height, width] in [-1, 1] on the GPU, as pictures on the host. */
export async function toPixels(
  device: Device,
  x: GPUBuffer,
  count: number,
  { channels, height, width }: PictureShape,
): Promise<Pixels[]> {
  expectPictures(channels);
  const size = 4 * width * height;
  const own = new Buffers(device);
  try {
    const from = f32("x", count, channels, height, width);
    const to = u32("rgba8", count, height, width);
    const bytes = own.makeFor(to);
    await own.ready();
    const buffers: Record<string, GPUBuffer> = { [from.name]: x, [to.name]: bytes };
    await runOnce(device, toRgba8({ x: from, y: to }), ({ name }) => ({ buffer: buffers[name]! }));
    const all = new Uint8ClampedArray(await readBuffer(device, bytes));
    return Array.from({ length: count }, (_, n) => ({ data: all.slice(n * size, (n + 1) * size), width, height }));
  } finally {
    own.destroy();
  }
}
