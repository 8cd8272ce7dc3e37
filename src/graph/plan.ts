import { byteLength, type Dispatch, type Tensor } from "../kernels/dispatch";

/** Which slot (one GPU buffer) every intermediate tensor lives in. */
export interface BufferPlan {
  readonly slotOf: ReadonlyMap<string, number>;
  readonly slotBytes: readonly number[];
  /** sum of the slots */
  readonly bytes: number;
  /** most bytes alive at once: no plan can be smaller */
  readonly lowerBound: number;
}

interface Lifetime {
  readonly tensor: Tensor;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Gives each intermediate tensor a slot that no other living tensor holds. Pure; needs no device.
 *  Whole buffers, since WebGPU rejects one buffer bound for reading and writing in a dispatch even on disjoint ranges;
 *  lifetimes are closed intervals of dispatches, so a dispatch never reads and writes one slot.
 *  Largest first, each into the slot that it wastes least of (Pisarchyk & Lee 2020, greedy by size).
 *  @param external tensors with buffers of their own (weights, inputs, outputs) */
export function planBuffers(dispatches: readonly Dispatch[], external: ReadonlySet<string>): BufferPlan {
  const lives = lifetimes(dispatches, external);
  const slots: { bytes: number; lives: Lifetime[] }[] = [];
  const slotOf = new Map<string, number>();
  const order = [...lives].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  for (const life of order) {
    const free = slots
      .map((slot, index) => ({ slot, index }))
      .filter(({ slot }) => slot.lives.every((other) => other.last < life.first || life.last < other.first));
    // Among slots that are free then, the one whose neighbours in time are nearest keeps the others open for long lives.
    const gap = (s: { lives: Lifetime[] }) =>
      Math.min(...s.lives.map((o) => (o.last < life.first ? life.first - o.last : o.first - life.last)));
    free.sort((a, b) => a.slot.bytes - b.slot.bytes || gap(a.slot) - gap(b.slot));
    const found = free[0]?.index ?? slots.push({ bytes: life.bytes, lives: [] }) - 1;
    slots[found]!.lives.push(life);
    slotOf.set(life.tensor.name, found);
  }
  const slotBytes = slots.map((s) => s.bytes);
  return { slotOf, slotBytes, bytes: slotBytes.reduce((a, b) => a + b, 0), lowerBound: liveBytes(lives) };
}

function lifetimes(dispatches: readonly Dispatch[], external: ReadonlySet<string>): Lifetime[] {
  const lives = new Map<string, { tensor: Tensor; first: number; last: number }>();
  dispatches.forEach(({ bindings }, i) => {
    for (const { tensor } of bindings) {
      if (external.has(tensor.name)) continue;
      const life = lives.get(tensor.name);
      if (life) life.last = i;
      else lives.set(tensor.name, { tensor, first: i, last: i });
    }
  });
  return [...lives.values()].map((l) => ({ ...l, bytes: byteLength(l.tensor) }));
}

function liveBytes(lives: readonly Lifetime[]): number {
  const change = new Map<number, number>();
  for (const { first, last, bytes } of lives) {
    change.set(first, (change.get(first) ?? 0) + bytes);
    change.set(last + 1, (change.get(last + 1) ?? 0) - bytes);
  }
  let live = 0;
  let most = 0;
  for (const [, delta] of [...change].sort((a, b) => a[0] - b[0])) most = Math.max(most, (live += delta));
  return most;
}
