import { Buffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { byteLength } from "../kernels/dispatch";
import { dispatchesOf, type Lowered } from "./lower";
import { type BufferPlan, planBuffers } from "./plan";
import { type Recording, record } from "./record";

/** Step graphs compiled together: they never run at once, so they share one set of slots and all tensors of their own
 *  (x, h, the step table) by name. */
export interface Programs {
  readonly buffers: Buffers;
  readonly recordings: Readonly<Record<string, Recording>>;
  /** bytes of all slots, and the least any plan could take */
  readonly slotBytes: number;
  readonly lowerBound: number;
  bufferOf(program: string, tensor: string): GPUBuffer;
  destroy(): void;
}

/** Tensors of a lowered graph that live outside its slots. */
export const externalNames = (lowered: Lowered): Set<string> =>
  new Set([...lowered.external.keys(), ...[...lowered.weights.values()].map((w) => w.tensor.name)]);

export const planOf = (lowered: Lowered): BufferPlan => planBuffers(dispatchesOf(lowered), externalNames(lowered));

/** Plans, allocates and records. @param given buffers that exist already: weights, the step table, masks */
export async function compile(
  device: Device,
  graphs: Readonly<Record<string, Lowered>>,
  given: (name: string) => GPUBuffer | undefined,
): Promise<Programs> {
  const buffers = new Buffers(device);
  const plans = Object.fromEntries(Object.entries(graphs).map(([name, g]) => [name, planOf(g)]));
  // Slots are shared by rank: the k-th largest of every plan is the same buffer.
  const ranks = Object.fromEntries(Object.entries(plans).map(([name, plan]) => [name, byRank(plan.slotBytes)]));
  const sizes: number[] = [];
  for (const [name, plan] of Object.entries(plans))
    plan.slotBytes.forEach((bytes, slot) => {
      const rank = ranks[name]![slot]!;
      sizes[rank] = Math.max(sizes[rank] ?? 0, bytes);
    });

  const bufferOf = (program: string, name: string): GPUBuffer => {
    const slot = plans[program]!.slotOf.get(name);
    if (slot !== undefined) {
      const rank = ranks[program]![slot]!;
      return buffers.make(`slot ${rank}`, sizes[rank]!);
    }
    const own = given(name);
    if (own) return own;
    const tensor = graphs[program]!.external.get(name);
    if (!tensor) throw new Error(`${program}: no buffer for "${name}"`);
    return buffers.make(name, byteLength(tensor));
  };
  try {
    const recordings: Record<string, Recording> = {};
    await device.guarded("compile", async () => {
      for (const [name, lowered] of Object.entries(graphs))
        recordings[name] = await record(device, lowered.nodes, (t) => bufferOf(name, t));
    });
    return {
      buffers,
      recordings,
      slotBytes: sizes.reduce((a, b) => a + b, 0),
      lowerBound: Math.max(...Object.values(plans).map((p) => p.lowerBound)),
      bufferOf,
      destroy: () => buffers.destroy(),
    };
  } catch (error) {
    buffers.destroy();
    throw error;
  }
}

/** Rank of each slot by size, largest 0. */
function byRank(slotBytes: readonly number[]): number[] {
  const order = slotBytes.map((bytes, slot) => ({ bytes, slot })).sort((a, b) => b.bytes - a.bytes);
  const rank: number[] = [];
  order.forEach(({ slot }, r) => {
    rank[slot] = r;
  });
  return rank;
}
