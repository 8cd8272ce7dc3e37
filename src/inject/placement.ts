import { mat3 } from "wgpu-matrix";
import type { Eyes, Pixels, Placement, Square } from "../api";
import { UserError } from "../errors";
import type { Placement as Sampling } from "../kernels/pointwise/resample";

/** Distance from the eyes to the mouth in units of the distance between the eyes, where the mouth is not given: the mean
 *  of FFHQ's aligned faces. */
const MOUTH = 1.04;

/** Width and height, of which only the proportion counts. */
export interface Aspect {
  readonly width: number;
  readonly height: number;
}
const SQUARE: Aspect = { width: 1, height: 1 };

/** The largest centred square: what the official preparation crops to. Its corner is rounded half to even, as Python rounds.
 *  A model of another shape sees the middle of its square, whose side is the picture's longer one: then the largest whose
 *  middle lies in the picture. */
export function centreSquare(width: number, height: number, model = SQUARE): Square {
  const longer = Math.max(model.width, model.height);
  if (model.width !== model.height) {
    const size = Math.min((width * longer) / model.width, (height * longer) / model.height);
    return { x: width / 2, y: height / 2, size };
  }
  const size = Math.min(width, height);
  return { x: halfToEven((width - size) / 2) + size / 2, y: halfToEven((height - size) / 2) + size / 2, size };
}

/** The square around a face as FFHQ and CelebA-HQ cut it: both use one formula.   Karras et al. 2018, appendix C
 *  The square's x axis follows the eyes and the line to the mouth, its side is max(4 |eye to eye|, 3.6 |eyes to mouth|),
 *  and its centre lies a tenth of the way from the eyes to the mouth.
 *  @throws UserError for eyes at one place */
export function alignEyes({ eyes: [x1, y1, x2, y2], mouth }: Eyes): Square {
  const [cx, cy] = [(x1 + x2) / 2, (y1 + y2) / 2];
  if (x1 === x2 && y1 === y2) throw new UserError(`eyes ${x1},${y1},${x2},${y2}: expected two places that differ`);
  // Either order is taken: the mouth lies below the eyes, and without one the face is upright.
  const swapped = mouth ? (x2 - x1) * (mouth[1] - cy) < (y2 - y1) * (mouth[0] - cx) : x2 < x1;
  const [ex, ey] = swapped ? [x1 - x2, y1 - y2] : [x2 - x1, y2 - y1];
  const [mx, my] = mouth ? [mouth[0] - cx, mouth[1] - cy] : [-ey * MOUTH, ex * MOUTH];
  const size = Math.max(4 * Math.hypot(ex, ey), 3.6 * Math.hypot(mx, my));
  const degrees = (Math.atan2(ey - mx, ex + my) * 180) / Math.PI;
  return { x: cx + 0.1 * mx, y: cy + 0.1 * my, size, degrees };
}

/** The square of a placement, the centred one where there is none.
 *  @throws UserError for numbers that are not finite, a size that is not positive, or a square outside the picture */
export function squareOf(placement: Placement | undefined, width: number, height: number, model = SQUARE): Square {
  if (!placement) return centreSquare(width, height, model);
  const numbers = "eyes" in placement ? [...placement.eyes, ...(placement.mouth ?? [])] : Object.values(placement);
  if (!numbers.every((v) => v === undefined || Number.isFinite(v)))
    throw new UserError(`placement ${JSON.stringify(placement)}: expected finite numbers`);
  const square = "eyes" in placement ? alignEyes(placement) : placement;
  const { x, y, size } = square;
  if (!(size > 0)) throw new UserError(`placement: size ${size}; expected more than 0 pixels`);
  const [left, top, right, bottom] = boundsOf(square);
  if (right <= 0 || bottom <= 0 || left >= width || top >= height)
    throw new UserError(
      `placement: the square at ${round(x)},${round(y)} of size ${round(size)} is outside the ${width}x${height} picture`,
    );
  return square;
}

/** The square of a placement in a decoded picture, in pixels of that: a placement is in pixels of the file's picture.
 *  @throws UserError as `squareOf` */
export function squareIn(
  { width, height, full }: PictureSize,
  placement: Placement | undefined,
  model?: Aspect,
): Square {
  if (!full || !placement) return squareOf(placement, width, height, model);
  return scaleSquare(squareOf(placement, full.width, full.height, model), width / full.width);
}

/** Sizes of a decoded picture. */
export type PictureSize = Pick<Pixels, "width" | "height" | "full">;

/** Source coordinates of a square's points: maps [0, width] x [0, height] onto its middle, the longer side onto its own. */
export function squareMatrix({ x, y, size, degrees = 0 }: Square, { width, height }: Aspect): Float32Array {
  const turned = mat3.rotate(mat3.translation([x, y]), (degrees * Math.PI) / 180);
  const scale = size / Math.max(width, height);
  return mat3.translate(mat3.scale(turned, [scale, scale]), [-width / 2, -height / 2]);
}

/** A square of a picture as `resample` takes it, at the size `out`. An upright square is cropped before it is resized, as
 *  PIL does it: no pixel outside its bounds is read. */
export function sampleSquare(square: Square, width: number, height: number, out: Aspect): Sampling {
  const matrix = squareMatrix(square, out);
  if ((square.degrees ?? 0) % 360 !== 0) return { matrix, width, height };
  const { x, y, size } = square;
  const half = size / Math.max(out.width, out.height) / 2;
  const [left, top] = [x - half * out.width, y - half * out.height];
  const [right, bottom] = [x + half * out.width, y + half * out.height];
  const window = [
    Math.max(0, Math.floor(left)),
    Math.max(0, Math.floor(top)),
    Math.min(width, Math.ceil(right)),
    Math.min(height, Math.ceil(bottom)),
  ] as const;
  return { matrix, width, height, window };
}

/** The upright box around a square: [left, top, right, bottom]. */
export function boundsOf({ x, y, size, degrees = 0 }: Square): readonly [number, number, number, number] {
  const angle = (degrees * Math.PI) / 180;
  const upright = degrees % 90 === 0;
  const reach = (size / 2) * (upright ? 1 : Math.abs(Math.cos(angle)) + Math.abs(Math.sin(angle)));
  return [x - reach, y - reach, x + reach, y + reach];
}

/** The same square on a picture of another scale. */
export const scaleSquare = ({ x, y, size, degrees }: Square, by: number): Square => ({
  x: x * by,
  y: y * by,
  size: size * by,
  ...(degrees !== undefined && { degrees }),
});

/** The whole picture stretched over width x height outputs: how a mask that covers the model's square reaches the h grid. */
export function stretch(width: number, height: number, outWidth: number, outHeight: number): Sampling {
  return { matrix: mat3.scaling([width / outWidth, height / outHeight]), width, height };
}

const halfToEven = (v: number): number => {
  const low = Math.floor(v);
  return v - low === 0.5 ? low + (low % 2) : Math.round(v);
};

const round = (v: number): number => Math.round(v * 10) / 10;
