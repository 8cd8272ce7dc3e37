import { LimitError } from "../errors";
import { Buffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import type { BufferRange } from "../gpu/encode";
import { byteLength } from "../kernels/dispatch";
import { dispatchesOf, type Lowered } from "./lower";
import { type BufferPlan, planBuffers, planInTurns } from "./plan";
import { type Recording, record } from "./record";

/** Step graphs compiled together: they never run at once, so they share one set of slots and all tensors of their own
 *  (x, h, the step table) by name. */
export interface CompiledGraphs {
  readonly buffers: Buffers;
  readonly recordings: Readonly<Record<string, Recording>>;
  /** bytes of all slots, and the least any plan could take */
  readonly slotBytes: number;
  readonly lowerBound: number;
  /** Buffer of a graph input, output or weight. */
  bufferOf(graph: string, tensor: string): GPUBuffer;
  /** Buffer and offset of any tensor. */
  rangeOf(graph: string, tensor: string): BufferRange;
  /** Frees the buffers. */
  destroy(): void;
}

/** Tensors of a lowered graph that live outside its slots. */
export const externalNames = (lowered: Lowered): Set<string> =>
  new Set([...lowered.external.keys(), ...[...lowered.weights.values()].map((w) => w.tensor.name)]);

/** Places the intermediate tensors of a lowered graph in shared buffers. */
export const planOf = (lowered: Lowered, maxSlotBytes?: number): BufferPlan =>
  planBuffers(dispatchesOf(lowered), externalNames(lowered), maxSlotBytes);

/** A plan for this device, searched for in turns with other work. */
export const planPatiently = (device: Device, lowered: Lowered, signal?: AbortSignal): Promise<BufferPlan> =>
  planInTurns(dispatchesOf(lowered), externalNames(lowered), device.gpu.limits.maxBufferSize, signal);

/** Plans, allocates and records. @param given buffers that exist already: weights, the step table, masks
 *  @param planned plans that are known already, by graph
 *  @throws LimitError; UserError when memory runs out; the signal's reason when it is aborted meanwhile */
export async function compile(
  device: Device,
  graphs: Readonly<Record<string, Lowered>>,
  given: (name: string) => GPUBuffer | undefined,
  signal?: AbortSignal,
  planned: Readonly<Record<string, BufferPlan>> = {},
): Promise<CompiledGraphs> {
  for (const lowered of Object.values(graphs)) checkBindings(device, lowered);
  const buffers = new Buffers(device);
  const plans: Record<string, BufferPlan> = {};
  for (const [name, lowered] of Object.entries(graphs))
    plans[name] = planned[name] ?? (await planPatiently(device, lowered, signal));
  // Slots are shared by rank: the k-th largest of every plan is the same buffer.
  const ranks = Object.fromEntries(Object.entries(plans).map(([name, plan]) => [name, byRank(plan.slotBytes)]));
  const sizes: number[] = [];
  for (const [name, plan] of Object.entries(plans))
    plan.slotBytes.forEach((bytes, slot) => {
      const rank = ranks[name]![slot]!;
      sizes[rank] = Math.max(sizes[rank] ?? 0, bytes);
    });

  const rangeOf = (program: string, name: string): BufferRange => {
    const place = plans[program]!.places.get(name);
    if (place) {
      const rank = ranks[program]![place.slot]!;
      return { buffer: buffers.make(`slot ${rank}`, sizes[rank]!), offset: place.offset };
    }
    const own = given(name);
    if (own) return { buffer: own, offset: 0 };
    const tensor = graphs[program]!.external.get(name);
    if (!tensor) throw new Error(`${program}: no buffer for "${name}"`);
    return { buffer: buffers.make(name, byteLength(tensor)), offset: 0 };
  };
  try {
    const recordings: Record<string, Recording> = {};
    for (const [name, lowered] of Object.entries(graphs))
      recordings[name] = await record(device, lowered.nodes, (t) => rangeOf(name, t), signal);
    await buffers.ready();
    return {
      buffers,
      recordings,
      slotBytes: sizes.reduce((a, b) => a + b, 0),
      lowerBound: Math.max(...Object.values(plans).map((p) => p.lowerBound)),
      rangeOf,
      bufferOf: (program, tensor) => rangeOf(program, tensor).buffer,
      destroy: () => buffers.destroy(),
    };
  } catch (error) {
    buffers.destroy();
    throw error;
  }
}

/** @throws LimitError when a dispatch binds more than the adapter allows */
function checkBindings(device: Device, lowered: Lowered): void {
  const limit = device.gpu.limits.maxStorageBufferBindingSize;
  for (const { bindings } of dispatchesOf(lowered))
    for (const { tensor } of bindings)
      if (byteLength(tensor) > limit) throw new LimitError(tensor.name, byteLength(tensor), limit);
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
