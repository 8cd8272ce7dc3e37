import type { Pixels } from "../api";
import type { Activations } from "./gram";

/** A feature network's outputs for one picture. */
export interface Embedding {
  /** One vector for the whole picture: for Fréchet distance and identity. */
  readonly vector: Float32Array;
  /** Feature maps, for Gram matrices; empty where the network gives none. */
  readonly layers: readonly Activations[];
}

/** A network that describes pictures. */
export interface FeatureNetwork {
  readonly name: string;
  embed(pictures: readonly Pixels[], signal?: AbortSignal): Promise<Embedding[]>;
}

/** How pictures enter a network: f32 [N, 3, height, width], RGB, (value / 255 - mean) / deviation. */
export interface InputConvention {
  readonly width: number;
  readonly height: number;
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/** The conventions of the networks that the literature measures with; where a file fixes its input size, that size wins.
 *  inception: FID's Inception-v3 as exported from pytorch-fid (its 2048 pooled features), values in [-1, 1].
 *  vgg: VGG-16 or -19 features, normalised as ImageNet; each output of four dimensions is a layer of the Gram distance.
 *  arcface: embeddings of aligned faces, values in [-1, 1]. */
export const conventions = {
  inception: { width: 299, height: 299, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] },
  vgg: { width: 224, height: 224, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
  arcface: { width: 112, height: 112, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] },
} as const satisfies Record<string, InputConvention>;

/** Pictures of the network's own size as its input tensor: f32 [N, 3, height, width]. */
export function inputTensor(
  pictures: readonly Pixels[],
  { width, height, mean, deviation }: InputConvention,
): Float32Array {
  const plane = width * height;
  const tensor = new Float32Array(pictures.length * 3 * plane);
  pictures.forEach(({ data }, n) => {
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < plane; i++)
        tensor[(n * 3 + c) * plane + i] = (data[i * 4 + c]! / 255 - mean[c]!) / deviation[c]!;
  });
  return tensor;
}

/** Mean over places of feature maps [C, places]: [C]. */
export function pooled({ channels, plane, values }: Activations): Float32Array {
  const vector = new Float32Array(channels);
  for (let c = 0; c < channels; c++) for (let i = 0; i < plane; i++) vector[c]! += values[c * plane + i]! / plane;
  return vector;
}
