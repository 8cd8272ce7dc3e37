import { ShapeError } from "../errors";

/** Activations of one picture in one layer of a network: f32 [channels, plane]. */
export interface Activations {
  readonly channels: number;
  readonly plane: number;
  readonly values: Float32Array | Float64Array;
}

/** Gram matrix of activations F: [C, HW]:   G = F F^T / (C H W)   f64 [C, C].   Gatys et al. 2016, normalised as is usual */
export function gram({ channels, plane, values }: Activations): Float64Array {
  if (values.length !== channels * plane)
    throw new ShapeError(`${values.length} activations, expected ${channels}x${plane}`);
  const matrix = new Float64Array(channels * channels);
  for (let i = 0; i < channels; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < plane; k++) sum += values[i * plane + k]! * values[j * plane + k]!;
      matrix[i * channels + j] = matrix[j * channels + i] = sum / (channels * plane);
    }
  return matrix;
}

/** Style distance of two pictures: mean squared difference of their Gram matrices, summed over layers. The pictures may
 *  differ in size, the layers not in channels. */
export function gramDistance(a: readonly Activations[], b: readonly Activations[]): number {
  if (a.length !== b.length) throw new ShapeError(`${a.length} and ${b.length} layers cannot be compared`);
  return a.reduce((sum, layer, k) => {
    const other = b[k]!;
    if (layer.channels !== other.channels)
      throw new ShapeError(`layer ${k}: ${layer.channels} and ${other.channels} channels cannot be compared`);
    const [g, h] = [gram(layer), gram(other)];
    return sum + g.reduce((total, value, i) => total + (value - h[i]!) ** 2, 0) / g.length;
  }, 0);
}
