import type { InjectParameters, InvertOptions, Pixels } from "../api";
import { DeviceLostError } from "../errors";
import type { Inversion } from "../inject/inversion";
import type { Model } from "../inject/model";
import type { InjectStep } from "../inject/plan-inject";

/** Pictures that go through the network together when nobody says otherwise. */
export const DEFAULT_BATCH = 8;

/** `items` in groups of at most `size`, in order. */
export function grouped<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** Outcome for each member of a batch: a value, or why there is none. */
export type Outcome<T> = { readonly value: T } | { readonly error: Error };

/** Runs a batch; where it fails as a whole, runs its members one by one, so that one bad member does not take the others
 *  with it. Cancelling and a lost device end everything. */
export async function isolated<M, T>(
  members: readonly M[],
  signal: AbortSignal | undefined,
  run: (members: readonly M[]) => Promise<readonly T[]>,
): Promise<Outcome<T>[]> {
  try {
    return (await run(members)).map((value) => ({ value }));
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof Error) || error instanceof DeviceLostError) throw error;
    if (members.length === 1) return [{ error }];
  }
  const outcomes: Outcome<T>[] = [];
  for (const member of members) outcomes.push(...(await isolated([member], signal, run)));
  return outcomes;
}

/** One picture of an inverted batch. */
export interface Inverted {
  readonly batch: Inversion;
  readonly index: number;
}

/** Inverts many pictures in batches. @returns where each one is, or its error; dispose the batches with `disposeAll` */
export async function invertMany(
  model: Model,
  pictures: readonly Pixels[],
  options: InvertOptions & { readonly batch?: number; readonly onDone?: (pictures: number) => void },
): Promise<Outcome<Inverted>[]> {
  const { batch: size = DEFAULT_BATCH, onDone, ...rest } = options;
  const outcomes: Outcome<Inverted>[] = [];
  for (const group of grouped(pictures, size)) {
    const done = outcomes.length;
    const onStep: InvertOptions["onStep"] = (event) => {
      onDone?.(done + (group.length * event.step) / event.steps);
      return rest.onStep?.(event);
    };
    const part = await isolated(group, rest.signal, async (members) => {
      const batch = await model.invert(members, { ...rest, onStep });
      return members.map((_, index) => ({ batch, index }));
    });
    outcomes.push(...part);
  }
  return outcomes;
}

/** Positions in `inverted` that lie in one batch, at most `size` of them in a group: what may run together. */
export function byBatch(inverted: readonly Inverted[], size: number): number[][] {
  const groups = new Map<Inversion, number[]>();
  inverted.forEach(({ batch }, i) => {
    groups.set(batch, [...(groups.get(batch) ?? []), i]);
  });
  return [...groups.values()].flatMap((positions) => grouped(positions, size));
}

/** Pictures of one batch as one inversion; dispose it. */
export const selectAll = (inverted: readonly Inverted[]): Inversion =>
  inverted[0]!.batch.select(...inverted.map(({ index }) => index));

export function disposeAll(outcomes: readonly Outcome<Inverted>[]): void {
  for (const batch of new Set(outcomes.flatMap((o) => ("value" in o ? [o.value.batch] : [])))) batch.dispose();
}

/** A run's edit that gives every sample of a batch the noise it would have alone, so that results do not depend on how
 *  pairs were batched. */
export const sameNoise = (plan: readonly InjectStep[]): InjectStep[] =>
  plan.map((step) => ({ ...step, samples: step.samples.map((sample) => ({ ...sample, stream: 0 })) }));

/** Variants that may share a batch: steps and the use of calibration must agree. Order is kept within a group. */
export function compatible<T extends Partial<InjectParameters>>(variants: readonly T[], batch: number): T[][] {
  const groups = new Map<string, T[]>();
  for (const variant of variants) {
    const key = JSON.stringify([
      variant.steps,
      variant.replaceSteps,
      variant.faithful,
      variant.omega === "off",
      variant.top,
    ]);
    groups.set(key, [...(groups.get(key) ?? []), variant]);
  }
  return [...groups.values()].flatMap((group) => grouped(group, batch));
}
