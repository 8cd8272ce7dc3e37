/** Moments of the noise that an inversion ends in. White Gaussian noise has 0, 1, 3 and 0. */
export interface NoiseStatistics {
  readonly mean: number;
  readonly rms: number;
  /** fourth moment over the squared second */
  readonly kurtosis: number;
  /** correlation of pixels beside each other in a row */
  readonly neighbours: number;
}

/** @param x f32 [C, H, width]: x_T of one picture */
export function noiseStatistics(x: Float32Array, width: number): NoiseStatistics {
  const n = x.length;
  let [sum, squares, fourth, products] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const v = x[i]!;
    sum += v;
    squares += v * v;
    fourth += v ** 4;
    if (i % width !== width - 1) products += v * x[i + 1]!;
  }
  const second = squares / n;
  return {
    mean: sum / n,
    rms: Math.sqrt(second),
    kurtosis: fourth / n / second ** 2,
    neighbours: products / ((n * (width - 1)) / width) / second,
  };
}

/** Whether a picture is far from what the model was trained on, by the noise that it was inverted to: noise that is tinted,
 *  smooth, loud or bounded is none that the model knows, and generating from it gives colour noise.
 *
 *  The bounds were set on the shipped model at 10 to 50 steps: portraits stay within |mean| 0.19, rms 1.6, kurtosis 3.1 to
 *  5.3 and neighbours 0.16. A crowd, a plain surface, a picture of noise and a detail of a
 *  portrait are beyond at least one of them. A face
 *  in a photo, aligned, is within: the model takes it for a portrait. Pictures between are not told. */
export const isUnfamiliar = ({ mean, rms, kurtosis, neighbours }: NoiseStatistics): boolean =>
  Math.abs(mean) > 0.35 || rms > 2 || kurtosis < 2.4 || neighbours > 0.25;
