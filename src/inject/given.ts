import type { Buffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import type { Bank } from "./bank";
import type { Given } from "./execute";
import { officialMask, placeMasks } from "./images";
import type { RunPlan } from "./plan";
import type { InjectRequest } from "./resolve";
import { TENSOR } from "./step-graphs";
import type { Store } from "./store";

/** Where the tensors of an injection come from. */
export interface InjectSources {
  readonly request: InjectRequest;
  readonly original: { readonly bank: Bank; readonly store: Store };
  readonly contents: readonly Store[];
  readonly noise?: ((step: number) => Float32Array | undefined) | undefined;
}

/** Puts the given tensors of an injection on the GPU: inversions are there already; masks, omegas and noise are uploaded. */
export async function giveInjection(
  device: Device,
  plan: RunPlan,
  { request, original, contents, noise }: InjectSources,
  own: Buffers,
  signal?: AbortSignal,
): Promise<Given> {
  const given = new Map<string, GPUBuffer>();
  const { bank, store } = original;
  const picture = bank.info.sources[bank.samples[0]!];
  for (const [name, shape] of Object.entries(plan.given)) {
    const kept = /^original\/(x_T|rest|z\.\d+)$/.exec(name);
    if (kept) {
      given.set(name, (await store.buffers()).get(kept[1]!)!);
      continue;
    }
    const h = /^content\.(\d+)\/(h\.\d+)$/.exec(name);
    const mask = /^mask\.(\d+)$/.exec(name);
    const drawn = /^noise\.(\d+)$/.exec(name);
    if (h) {
      given.set(name, (await contents[Number(h[1])]!.buffers()).get(h[2]!)!);
      continue;
    }
    const buffer = own.make(name, 4 * shape.reduce((a, b) => a * b, 1));
    given.set(name, buffer);
    if (mask)
      await placeMasks(device, [request.contents[Number(mask[1])]!.mask!], gridOf(shape), buffer, picture, signal);
    else if (drawn) own.write(buffer, 0, new Float32Array(noise!(Number(drawn[1]))!));
    else if (name === TENSOR.omegas)
      own.write(
        buffer,
        0,
        Float32Array.from(request.regions, ({ omega }) => omega),
      );
    else if (name === TENSOR.omegaMasks) {
      const [, height, width] = bank.info.h;
      const masks = request.regions.map(({ mask }) => (mask === "official" ? officialMask(height, width) : mask));
      await placeMasks(device, masks, gridOf(shape), buffer, picture, signal);
    } else throw new Error(`nothing gives "${name}"`);
  }
  await own.ready();
  return given;
}

const gridOf = (shape: readonly number[]) => ({ height: shape.at(-2)!, width: shape.at(-1)! });
