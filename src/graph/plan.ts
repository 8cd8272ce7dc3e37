import { Turns } from "../gpu/patience";
import { byteLength, type Dispatch, type Tensor } from "../kernels/dispatch";
import { mulberry32 } from "../random";

/** Where an intermediate tensor lives: `offset` bytes into a slot, which is one GPU buffer. */
export interface Place {
  readonly slot: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Where each intermediate tensor lies: in which shared buffer, and at which offset. */
export interface BufferPlan {
  readonly places: ReadonlyMap<string, Place>;
  readonly slotBytes: readonly number[];
  /** sum of the slots */
  readonly bytes: number;
  /** most bytes alive at once: no plan can be smaller */
  readonly lowerBound: number;
}

/** Storage bindings begin at multiples of this in every WebGPU implementation. */
const ALIGNMENT = 256;

interface Life {
  /** position among all lives */
  readonly id: number;
  readonly name: string;
  readonly bytes: number;
  /** dispatches of first and last use */
  readonly first: number;
  readonly last: number;
  /** tensors that may not share a buffer with this one: only read where it is written, or written where it is only read.
   *  A dispatch may bind ranges of one buffer for writing that do not overlap. */
  readonly foes: readonly number[];
}

/** Gives each intermediate tensor a place that nothing living overlaps. Pure; needs no device.
 *  Tensors share a few buffers at offsets, like memory in one arena, except that WebGPU rejects a dispatch that reads one
 *  range of a buffer and writes another: such pairs get different buffers.
 *  Greedy by size (Pisarchyk & Lee 2020) with several orders tried and the smallest plan kept.
 *  @param external tensors with buffers of their own (weights, inputs, outputs)
 *  @param maxSlotBytes limit of one buffer */
export function planBuffers(
  dispatches: readonly Dispatch[],
  external: ReadonlySet<string>,
  maxSlotBytes = Number.POSITIVE_INFINITY,
): BufferPlan {
  const search = searchPlan(dispatches, external, maxSlotBytes);
  let found = search.next();
  while (!found.done) found = search.next();
  return found.value;
}

/** The same plan, searched for in turns with other work. @throws the signal's reason when it is aborted meanwhile */
export async function planInTurns(
  dispatches: readonly Dispatch[],
  external: ReadonlySet<string>,
  maxSlotBytes: number,
  signal?: AbortSignal,
): Promise<BufferPlan> {
  const turns = new Turns(signal);
  const search = searchPlan(dispatches, external, maxSlotBytes);
  for (let found = search.next(); ; found = search.next()) {
    if (found.done) return found.value;
    await turns.give();
  }
}

/** Yields after every try. */
function* searchPlan(
  dispatches: readonly Dispatch[],
  external: ReadonlySet<string>,
  maxSlotBytes: number,
): Generator<void, BufferPlan> {
  const lives = lifetimes(dispatches, external);
  const live = liveBytes(lives);
  const lowerBound = Math.max(0, ...live);
  if (lives.length === 0) return { places: new Map(), slotBytes: [], bytes: 0, lowerBound };
  const span = (l: Life) => l.last - l.first + 1;
  /** Most bytes alive at once while a tensor lives. */
  const pressure = lives.map(({ first, last }) => live.slice(first, last + 1).reduce((a, b) => Math.max(a, b)));
  const byPressure: Order = (a, b) => pressure[b.id]! - pressure[a.id]! || b.bytes - a.bytes;
  const others: Order[] = [
    (a, b) => b.bytes - a.bytes || a.first - b.first,
    (a, b) => b.bytes * span(b) - a.bytes * span(a),
    (a, b) => span(b) - span(a) || b.bytes - a.bytes,
    (a, b) => a.first - b.first || b.bytes - a.bytes,
  ];
  const placed = (order: readonly Life[], avoided: ReadonlySet<string> = new Set()): Placing =>
    place(order, lives.length, maxSlotBytes, avoided);
  const startOf = (by: Order) => {
    const order = [...lives].sort(by);
    return { order, plan: placed(order) };
  };
  const first = startOf(byPressure);
  const rest = others.map(startOf).sort((a, b) => a.plan.bytes - b.plan.bytes);
  let best = first.plan.bytes <= rest[0]!.plan.bytes ? first.plan : rest[0]!.plan;
  // From each start, something that sticks out on top of a buffer is placed earlier or in another buffer, and that is kept
  // unless it costs more. From the first, which is the best mostly, so is what lies in that buffer at the same time.
  const seeded = mulberry32(1);
  const effort = 5e7 / lives.length ** 2;
  for (const [start, tries, random] of [
    [first, Math.min(1100, Math.ceil(2 * effort)), mulberry32(2)],
    ...rest.map((start) => [start, Math.min(550, Math.ceil(effort)), seeded] as const),
  ] as const) {
    let { order, plan } = start;
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    let avoided: ReadonlySet<string> = new Set<string>();
    for (let k = 0; k < tries && best.bytes > GOOD_ENOUGH * lowerBound; k++) {
      yield;
      const { slotOf, offsetOf, slotBytes }: Placing = plan;
      const top = pick(order.filter(({ id, bytes }) => offsetOf[id]! + bytes === slotBytes[slotOf[id]!]));
      const beside = (l: Life) => slotOf[l.id] === slotOf[top.id] && l.first <= top.last && top.first <= l.last;
      const moved = start === first && random() < 0.5 ? pick(order.filter(beside)) : top;
      let nextOrder = order;
      let nextAvoided = avoided;
      if (random() < 0.6) {
        const from = order.indexOf(moved);
        const to = Math.floor(random() * from);
        nextOrder = [...order.slice(0, to), moved, ...order.slice(to, from), ...order.slice(from + 1)];
      } else {
        const set = new Set(avoided);
        const key = `${moved.id} ${slotOf[moved.id]}`;
        if (!set.delete(key)) set.add(key);
        if (random() < 0.2 && set.size > 0) set.delete(pick([...set]));
        nextAvoided = set;
      }
      const next = placed(nextOrder, nextAvoided);
      if (next.bytes > plan.bytes) continue;
      [plan, order, avoided] = [next, nextOrder, nextAvoided];
      if (plan.bytes < best.bytes) best = plan;
    }
  }
  const { slotOf, offsetOf, slotBytes, bytes } = best;
  const places = lives.map((l) => [l.name, { slot: slotOf[l.id]!, offset: offsetOf[l.id]!, bytes: l.bytes }] as const);
  return { places: new Map(places), slotBytes, bytes, lowerBound };
}

/** Share of the lower bound at which the search for a smaller plan stops. */
const GOOD_ENOUGH = 1.04;

/** Compares which of two lives is placed first. */
type Order = (a: Life, b: Life) => number;

/** A plan by numbers: slot and offset of every life. */
interface Placing {
  readonly slotOf: readonly number[];
  readonly offsetOf: readonly number[];
  readonly slotBytes: readonly number[];
  readonly bytes: number;
}

/** Places lives one after another where they make the buffers grow least.
 *  @param avoided pairs "life slot" that are not tried */
function place(order: readonly Life[], count: number, maxSlotBytes: number, avoided: ReadonlySet<string>): Placing {
  const slots: Life[][] = []; // by offset
  const slotBytes: number[] = [];
  const slotOf: number[] = Array(count).fill(-1);
  const offsetOf: number[] = Array(count).fill(0);
  for (const life of order) {
    let chosen = -1;
    let at = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let slot = 0; slot < slots.length; slot++) {
      if (life.foes.some((foe) => slotOf[foe] === slot)) continue;
      if (avoided.size > 0 && avoided.has(`${life.id} ${slot}`)) continue;
      let offset = 0;
      for (const o of slots[slot]!) {
        if (o.last < life.first || life.last < o.first) continue;
        const start = offsetOf[o.id]!;
        if (offset + life.bytes <= start) break;
        if (start + o.bytes > offset) offset = start + o.bytes;
      }
      const growth = Math.max(0, offset + life.bytes - slotBytes[slot]!);
      if (growth >= least || offset + life.bytes > maxSlotBytes) continue;
      least = growth;
      chosen = slot;
      at = offset;
    }
    if (chosen < 0) {
      chosen = slots.push([]) - 1;
      slotBytes.push(0);
    }
    slotOf[life.id] = chosen;
    offsetOf[life.id] = at;
    slotBytes[chosen] = Math.max(slotBytes[chosen]!, at + life.bytes);
    const held = slots[chosen]!;
    let index = held.length;
    while (index > 0 && offsetOf[held[index - 1]!.id]! > at) index--;
    held.splice(index, 0, life);
  }
  return { slotOf, offsetOf, slotBytes, bytes: slotBytes.reduce((a, b) => a + b, 0) };
}

function lifetimes(dispatches: readonly Dispatch[], external: ReadonlySet<string>): Life[] {
  const lives = new Map<string, { id: number; tensor: Tensor; first: number; last: number; foes: Set<number> }>();
  dispatches.forEach(({ bindings }, i) => {
    const own = bindings.filter(({ tensor }) => !external.has(tensor.name));
    for (const { tensor } of own) {
      const life = lives.get(tensor.name);
      if (life) life.last = i;
      else lives.set(tensor.name, { id: lives.size, tensor, first: i, last: i, foes: new Set() });
    }
    for (const a of own)
      for (const b of own)
        if (a.tensor.name !== b.tensor.name && writes(a.access) !== writes(b.access))
          lives.get(a.tensor.name)!.foes.add(lives.get(b.tensor.name)!.id);
  });
  return [...lives].map(([name, { id, tensor, first, last, foes }]) => ({
    id,
    name,
    first,
    last,
    foes: [...foes],
    bytes: Math.ceil(byteLength(tensor) / ALIGNMENT) * ALIGNMENT,
  }));
}

const writes = (access: string): boolean => access === "write" || access === "update";

/** Bytes alive at every dispatch. */
function liveBytes(lives: readonly Life[]): number[] {
  const live: number[] = [];
  for (const { first, last, bytes } of lives) for (let i = first; i <= last; i++) live[i] = (live[i] ?? 0) + bytes;
  return live;
}
