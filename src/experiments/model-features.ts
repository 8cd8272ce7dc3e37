import type { Pixels } from "../api";
import type { Model } from "../inject/model";
import { type Embedding, type FeatureNetwork, inputTensor, pooled } from "../metrics/features";
import { hShape } from "../model/config";
import { grouped } from "./batches";

/** Time step at which the network looks at a clean picture: late enough to see shapes, early enough to expect no noise. */
const LOOK_AT = 50;
const BATCH = 8;

/** The diffusion model itself as a feature network: its bottleneck h of the clean picture at a small t. Trained on the very
 *  pictures it judges, so the tables of the paper can be made where no other network is at hand; its figures compare
 *  with each other, not with published ones.   Baranchuk et al. 2022 use the same features for segmentation */
export function modelFeatures(model: Model): FeatureNetwork {
  const side = model.resolution;
  const half = [0.5, 0.5, 0.5] as const;
  const [channels, height, width] = hShape(model.config);
  const plane = height * width;
  return {
    name: `h of ${model.name} at t ${LOOK_AT}`,
    async embed(pictures: readonly Pixels[], signal?: AbortSignal): Promise<Embedding[]> {
      const all: Embedding[] = [];
      for (const group of grouped(pictures, BATCH)) {
        signal?.throwIfAborted();
        const x = inputTensor(group, { width: side, height: side, mean: half, deviation: half });
        const { h } = await model.forward(x, LOOK_AT);
        group.forEach((_, i) => {
          const values = h.slice(i * channels * plane, (i + 1) * channels * plane);
          const layer = { channels, plane, values };
          all.push({ vector: pooled(layer), layers: [layer] });
        });
      }
      return all;
    },
  };
}
