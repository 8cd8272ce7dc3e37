import { mat3 } from "wgpu-matrix";
import type { Pixels, Placement } from "../api";
import { UserError } from "../errors";
import { Buffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { f32 } from "../kernels/dispatch";
import { resampleInto, toPixels } from "./images";
import { boundsOf, squareIn, squareMatrix } from "./placement";

/** Options of `pasteBack`. */
export interface PasteOptions {
  /** where the picture came from; default: the photo's largest centred square */
  readonly placement?: Placement | undefined;
  /** share of the square's side over which the picture fades into the photo, 0 (a hard edge) to 0.5; default 0.1 */
  readonly feather?: number;
}

/** Most values resampled at once; a large square is pasted in bands of rows. */
const BAND = 2 ** 23;

/** Puts a result back into the photo that it was placed from, feathered at the square's edge. The photo is left unchanged.
 *  @param picture the model's square, side x side pixels
 *  @returns a picture of the size at which the photo was decoded
 *  @throws UserError for a picture that is not square, a placement outside the photo, or a feather out of range */
export async function pasteBack(
  device: Device,
  photo: Pixels,
  picture: Pixels,
  { placement, feather = 0.1 }: PasteOptions = {},
): Promise<Pixels> {
  const { width, height } = photo;
  const side = picture.width;
  if (side !== picture.height) throw new UserError(`paste: a picture of ${side}x${picture.height}; expected a square`);
  if (!(feather >= 0 && feather <= 0.5)) throw new UserError(`feather ${feather}: expected 0 to 0.5`);
  const square = squareIn(photo, placement);
  const toSquare = mat3.inverse(squareMatrix(square, picture));
  const [l, t, r, b] = boundsOf(square);
  const [left, top] = [Math.max(0, Math.floor(l)), Math.max(0, Math.floor(t))];
  const [right, bottom] = [Math.min(width, Math.ceil(r)), Math.min(height, Math.ceil(b))];
  const data = new Uint8ClampedArray(photo.data);
  const rows = Math.max(1, Math.floor(BAND / (3 * (right - left))));
  for (let y = top; y < bottom; y += rows) {
    const band = { left, top: y, width: right - left, height: Math.min(rows, bottom - y) };
    const matrix = mat3.translate(toSquare, [left, y]);
    const placed = await resampled(device, picture, matrix, band);
    blend(data, width, placed, band, matrix, side, feather);
  }
  return { data, width, height };
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The picture as it falls on a box of the photo. */
async function resampled(device: Device, picture: Pixels, matrix: Float32Array, { width, height }: Box) {
  const y = f32("pasted", 1, 3, height, width);
  const own = new Buffers(device);
  try {
    const x = own.makeFor(y);
    await own.ready();
    await resampleInto(device, picture, { matrix, width: picture.width, height: picture.height }, y, x, 0);
    return (await toPixels(device, x, 1, { channels: 3, height, width }))[0]!;
  } finally {
    own.destroy();
  }
}

/** Lays `placed` over a box of the photo: not at all outside the square, wholly further inside than the feather. */
function blend(
  photo: Uint8ClampedArray,
  photoWidth: number,
  { data }: Pixels,
  { left, top, width, height }: Box,
  matrix: Float32Array,
  side: number,
  feather: number,
): void {
  const [a, b, , , c, d, , , e, f] = matrix as unknown as number[];
  for (let j = 0; j < height; j++)
    for (let i = 0; i < width; i++) {
      const u = (a! * (i + 0.5) + c! * (j + 0.5) + e!) / side;
      const v = (b! * (i + 0.5) + d! * (j + 0.5) + f!) / side;
      const weight = fade(u, feather) * fade(v, feather);
      if (weight === 0) continue;
      const from = 4 * (j * width + i);
      const to = 4 * ((top + j) * photoWidth + left + i);
      for (let k = 0; k < 3; k++) photo[to + k] = photo[to + k]! + weight * (data[from + k]! - photo[to + k]!);
    }
}

/** 0 outside [0, 1], 1 further inside than `feather`, smooth between. */
function fade(at: number, feather: number): number {
  const inside = Math.min(at, 1 - at);
  if (inside <= 0) return 0;
  const share = Math.min(1, inside / Math.max(feather, 1e-9));
  return share * share * (3 - 2 * share);
}
