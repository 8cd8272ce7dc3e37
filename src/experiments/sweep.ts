import type { InjectParameters, Pixels } from "../api";
import { hooksOf, withHooks } from "../inject/hooks";
import type { Model } from "../inject/model";
import type { InjectOptions } from "../inject/options";
import { compatible, sameNoise } from "./batches";

export type Variant = Partial<InjectParameters>;

/** One pair generated with each of these parameters, as many at once as may share a batch.
 *  @param options.onRun told of each finished share of all runs, 0 to 1
 *  @returns pictures in the order of `variants` */
export async function runVariants(
  model: Model,
  variants: readonly Variant[],
  options: InjectOptions & { readonly batch: number; readonly onShare?: (share: number) => void },
): Promise<Pixels[]> {
  const { batch, onShare, ...rest } = options;
  const { mutate } = hooksOf(options);
  const numbered = variants.map((variant, index) => ({ ...variant, index }));
  const pictures: Pixels[] = [];
  let done = 0;
  for (const group of compatible(numbered, batch)) {
    const run: InjectOptions = {
      ...rest,
      variants: group.map(({ index: _, ...variant }) => variant),
      onStep: async (event) => {
        onShare?.((done + (group.length * event.step) / event.steps) / variants.length);
        await rest.onStep?.(event);
      },
    };
    const result = await model.inject(withHooks(run, { mutate: (steps) => sameNoise(mutate?.(steps) ?? steps) }));
    try {
      (await result.toPixels()).forEach((pixels, k) => {
        pictures[group[k]!.index] = pixels;
      });
    } finally {
      result.dispose();
    }
    done += group.length;
  }
  return pictures;
}
