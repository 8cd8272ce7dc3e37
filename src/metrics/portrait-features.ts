import type { Pixels } from "../api";
import { UserError } from "../errors";
import { type Embedding, type FeatureNetwork, inputTensor } from "./features";
import type { Activations } from "./gram";

/** Weights by name, as `weights/features.py` saves them. */
export type FeatureWeights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;

/** Side of the pictures the network was trained on. */
export const PORTRAIT_SIDE = 64;

const half = [0.5, 0.5, 0.5] as const;
const convention = { width: PORTRAIT_SIDE, height: PORTRAIT_SIDE, mean: half, deviation: half };

/** One feature network in the roles of three: what Inception, VGG and ArcFace are to photographs. */
export interface PortraitFeatures {
  /** its hidden layer */
  readonly fid: FeatureNetwork;
  /** its convolutions but the last, as layers */
  readonly gram: FeatureNetwork;
  /** its guess at the content factors, standardised */
  readonly identity: FeatureNetwork;
}

/** The small network that was trained to name the factors of drawn portraits: 3x3 convolutions of stride 2 with ReLU, a hidden
 *  layer, one output for each factor. Small enough to run here, on the host: 3.4 M multiply-adds a picture.
 *  @param content how many of its outputs, the first, are content factors
 *  @throws UserError where a weight is missing or of another shape than the others need */
export function portraitFeatures(weights: FeatureWeights, content: number): PortraitFeatures {
  const get = (name: string) => {
    const found = weights.get(name);
    if (!found) throw new UserError(`the feature network has no ${name}; train it again with weights/features.py`);
    return found;
  };
  const depth = [...weights.keys()].filter((name) => /^convs\.\d+\.weight$/.test(name)).length;
  const convs = Array.from({ length: depth }, (_, i) => [get(`convs.${i}.weight`), get(`convs.${i}.bias`)] as const);
  const dense = (["hidden", "factors"] as const).map(
    (name) => [get(`${name}.weight`), get(`${name}.bias`).values] as const,
  );
  const look = (picture: Pixels) => {
    let x: Activations = { channels: 3, plane: PORTRAIT_SIDE ** 2, values: inputTensor([picture], convention) };
    const layers = convs.map(([{ shape, values }, bias]) => (x = halvedConv(x, values, bias.values, shape)));
    const [hidden, factors] = dense as [(typeof dense)[0], (typeof dense)[0]];
    const features = matrix(x.values, hidden[0].values, hidden[1]).map((v) => Math.max(0, v));
    return { layers, features, factors: matrix(features, factors[0].values, factors[1]) };
  };
  const network = (name: string, embed: (seen: ReturnType<typeof look>) => Embedding): FeatureNetwork => ({
    name: `portrait features, ${name}`,
    async embed(pictures, signal) {
      return pictures.map((picture) => {
        signal?.throwIfAborted();
        if (picture.width !== PORTRAIT_SIDE || picture.height !== PORTRAIT_SIDE)
          throw new UserError(
            `portrait features see ${PORTRAIT_SIDE}x${PORTRAIT_SIDE} pixels, a result has ${picture.width}x${picture.height}; use --model-features, or networks of your own`,
          );
        return embed(look(picture));
      });
    },
  });
  return {
    fid: network("hidden layer", ({ features }) => ({ vector: features, layers: [] })),
    gram: network("convolutions", ({ layers, features }) => ({ vector: features, layers: layers.slice(0, -1) })),
    identity: network("content factors", ({ factors }) => ({ vector: factors.slice(0, content), layers: [] })),
  };
}

/** y = max(0, w * x + b): a 3x3 convolution of stride 2, zeros around the picture.
 *  @param x [C, side, side] @param shape of w: [O, C, 3, 3] @returns [O, side / 2, side / 2] */
export function halvedConv(
  x: Activations,
  w: Float32Array,
  bias: Float32Array,
  shape: readonly number[],
): Activations & { readonly values: Float32Array } {
  const [out = 0, channels] = shape;
  if (channels !== x.channels || shape[2] !== 3 || shape[3] !== 3 || bias.length !== out)
    throw new UserError(`the feature network's weight [${shape.join(", ")}] does not follow ${x.channels} channels`);
  const side = Math.sqrt(x.plane);
  const half = side >> 1;
  const values = new Float32Array(out * half * half);
  for (let o = 0; o < out; o++)
    for (let row = 0; row < half; row++)
      for (let column = 0; column < half; column++) {
        let sum = bias[o]!;
        for (let dy = row === 0 ? 1 : 0; dy < 3; dy++)
          for (let dx = column === 0 ? 1 : 0; dx < 3; dx++) {
            const at = (2 * row + dy - 1) * side + 2 * column + dx - 1;
            for (let c = 0, k = o * channels * 9 + dy * 3 + dx; c < channels; c++, k += 9)
              sum += w[k]! * x.values[c * x.plane + at]!;
          }
        values[(o * half + row) * half + column] = Math.max(0, sum);
      }
  return { channels: out, plane: half * half, values };
}

/** W x + b. @param w [rows, x.length] */
function matrix(x: ArrayLike<number>, w: Float32Array, bias: Float32Array): Float32Array {
  if (w.length !== bias.length * x.length)
    throw new UserError(`the feature network's matrix has ${w.length} values, expected ${bias.length} x ${x.length}`);
  return bias.map((b, row) => {
    let sum = b;
    for (let i = 0; i < x.length; i++) sum += w[row * x.length + i]! * x[i]!;
    return sum;
  });
}
