import { mat3 } from "wgpu-matrix";
import type { Placement } from "../kernels/pointwise/resample";

/** The official preparation as a placement: the largest centred square, resized to side x side.
 *  The crop's corner is rounded half to even, as Python rounds. */
export function centreCrop(width: number, height: number, side: number): Placement {
  const crop = Math.min(width, height);
  const left = halfToEven((width - crop) / 2);
  const top = halfToEven((height - crop) / 2);
  const matrix = mat3.scale(mat3.translation([left, top]), [crop / side, crop / side]);
  return { matrix, width, height, window: [left, top, left + crop, top + crop] };
}

/** The whole picture stretched over width x height outputs: how a mask that covers the model's square reaches the h grid. */
export function stretch(width: number, height: number, outWidth: number, outHeight: number): Placement {
  return { matrix: mat3.scaling([width / outWidth, height / outHeight]), width, height };
}

const halfToEven = (v: number): number => {
  const low = Math.floor(v);
  return v - low === 0.5 ? low + (low % 2) : Math.round(v);
};
