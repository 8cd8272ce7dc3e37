import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, read, type Tensor, update, write } from "../dispatch";

/** Floats of a placement. */
export const PLACEMENT_FLOATS = 20;

/** Where a picture lies: what `resample` reads besides the pixels. */
export interface Placement {
  /** mat3 as wgpu-matrix keeps it (column-major, columns padded to 4: 12 floats), from output to source coordinates;
   *  in both, pixel (i, j) covers [i, i + 1) x [j, j + 1). */
  readonly matrix: ArrayLike<number>;
  readonly width: number;
  readonly height: number;
  /** the part of the source that may be read, [left, top, right, bottom); all of it if not given */
  readonly window?: readonly [left: number, top: number, right: number, bottom: number];
}

/** The data of the `placement` tensor: matrix, window, size. */
export function placementData({ matrix, width, height, window }: Placement): Float32Array<ArrayBuffer> {
  const data = new Float32Array(PLACEMENT_FLOATS);
  data.set(Array.from(matrix).slice(0, 12));
  data.set([...(window ?? [0, 0, width, height]), width, height], 12);
  return data;
}

/** A picture into one sample, by an affine matrix and a triangle filter that widens when it shrinks the picture, as in
 *  PIL's antialiased bilinear resize: taps outside the window are left out and the rest renormalised. Where all are,
 *  the nearest pixel of the window is taken.   shaders/pointwise/resample.wgsl
 *  image: u32 [H, W], RGBA bytes, alpha unread; placement: f32 [20]; y: f32 [N, 3, h, w] in [-1, 1],
 *  f32 [N, 1, h, w], the luminance in [-1, 1], or f32 [N, h, w], the luminance in [0, 1] (a mask); only sample `slot` is written. */
export function resample(
  { image, placement, y }: { image: Tensor; placement: Tensor; y: Tensor },
  { slot = 0 }: { slot?: number } = {},
): Dispatch[] {
  const mask = y.shape.length === 3;
  const luminance = mask || y.shape[1] === 1;
  const [n, h, w] = [y.shape[0]!, y.shape.at(-2)!, y.shape.at(-1)!];
  if (!luminance && !(y.shape.length === 4 && y.shape[1] === 3))
    throw new ShapeError(`${y.name}: shape [${y.shape}], expected [N, 3 or 1, H, W] or [N, H, W]`);
  if (image.shape.length !== 2 || image.dtype !== "u32")
    throw new ShapeError(`${image.name}: ${image.dtype} [${image.shape}], expected u32 [H, W]`);
  if (!(slot >= 0 && slot < n)) throw new ShapeError(`${y.name}: no sample ${slot} among ${n}`);
  return [
    {
      label: y.name,
      shader: "pointwise/resample",
      constants: { H: h, W: w, SLOT: slot, LUMINANCE: Number(luminance), SIGNED: Number(!mask) },
      bindings: [read(image), read(placement), n === 1 ? write(y) : update(y)],
      workgroups: [ceilDiv(w, 8), ceilDiv(h, 8), 1],
    },
  ];
}
