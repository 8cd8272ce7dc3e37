import type { InjectParameters, Pixels } from "../api";
import { type Hooks, withHooks } from "../inject/hooks";
import type { Inversion } from "../inject/inversion";
import { inversionOf } from "../inject/inversion-options";
import type { Model } from "../inject/model";
import {
  byBatch,
  disposeAll,
  type Inverted,
  invertMany,
  isolated,
  type Outcome,
  sameNoise,
  selectAll,
} from "./batches";

/** A pair of a grid, by position in the lists of contents and originals. */
export interface Pair {
  readonly content: number;
  readonly original: number;
}

export interface GridOptions {
  readonly parameters: InjectParameters;
  /** most pairs in a batch */
  readonly batch: number;
  readonly tap?: string;
  readonly mutate?: Hooks["mutate"];
  readonly signal: AbortSignal;
  readonly onInverted?: (pictures: number, all: number) => void;
  readonly onPairs?: (pairs: number, all: number) => void;
  /** Called as soon as a pair is there, or has failed. */
  readonly onPair: (pair: Pair, outcome: Outcome<Pixels>, seconds: number) => Promise<void>;
}

/** Injects every pair asked for. Every picture is inverted once, batches are filled along the longer side of the grid, and
 *  a pair that fails takes no other with it. */
export async function runGrid(
  model: Model,
  contents: readonly Pixels[],
  originals: readonly Pixels[],
  pairs: readonly Pair[],
  options: GridOptions,
): Promise<void> {
  const usedContents = distinct(pairs.map((pair) => pair.content));
  const usedOriginals = distinct(pairs.map((pair) => pair.original));
  const pictures = [...usedContents.map((i) => contents[i]!), ...usedOriginals.map((i) => originals[i]!)];
  const { parameters, batch, tap, signal, onInverted } = options;
  const outcomes = await invertMany(model, pictures, {
    ...inversionOf(parameters),
    batch,
    ...(tap && { tap }),
    signal,
    onDone: (done) => onInverted?.(done, pictures.length),
  });
  try {
    const content = new Map(usedContents.map((i, k) => [i, outcomes[k]!]));
    const original = new Map(usedOriginals.map((i, k) => [i, outcomes[usedContents.length + k]!]));
    await generate(model, pairs, content, original, options);
  } finally {
    disposeAll(outcomes);
  }
}

type Found = ReadonlyMap<number, Outcome<Inverted>>;

async function generate(model: Model, pairs: readonly Pair[], content: Found, original: Found, options: GridOptions) {
  let done = 0;
  const finish = async (pair: Pair, outcome: Outcome<Pixels>, seconds: number) => {
    await options.onPair(pair, outcome, seconds);
    options.onPairs?.(++done, pairs.length);
  };
  const sound: Pair[] = [];
  for (const pair of pairs) {
    const [c, o] = [content.get(pair.content)!, original.get(pair.original)!];
    const failed = "error" in c ? c : "error" in o ? o : undefined;
    if (failed) await finish(pair, failed, 0);
    else sound.push(pair);
  }
  // One picture stays, the others go by in batches: the longer side goes by, so that batches are full.
  const longer = content.size >= original.size ? "content" : "original";
  const shorter = longer === "content" ? "original" : "content";
  const maps = { content, original };
  const at = (side: "content" | "original", i: number) => (maps[side].get(i) as { value: Inverted }).value;
  for (const fixed of distinct(sound.map((pair) => pair[shorter]))) {
    const row = sound.filter((pair) => pair[shorter] === fixed);
    const moving = (some: readonly Pair[]) => some.map((pair) => at(longer, pair[longer]));
    for (const positions of byBatch(moving(row), options.batch)) {
      const part = positions.map((i) => row[i]!);
      const began = performance.now();
      const outcomes = await isolated(part, options.signal, (some) => {
        const [many, one] = [selectAll(moving(some)), selectAll([at(shorter, fixed)])];
        const pair = longer === "content" ? { content: many, original: one } : { content: one, original: many };
        return injectBatch(model, pair, options);
      });
      const seconds = (performance.now() - began) / 1000 / part.length;
      for (const [k, outcome] of outcomes.entries()) await finish(part[k]!, outcome, seconds);
    }
  }
}

async function injectBatch(
  model: Model,
  pair: { content: Inversion; original: Inversion },
  options: GridOptions,
): Promise<Pixels[]> {
  const { parameters, tap, mutate, signal } = options;
  const run = { ...parameters, ...pair, ...(tap && { tap }), signal };
  try {
    const result = await model.inject(withHooks(run, { mutate: (steps) => sameNoise(mutate?.(steps) ?? steps) }));
    try {
      return await result.toPixels();
    } finally {
      result.dispose();
    }
  } finally {
    pair.content.dispose();
    pair.original.dispose();
  }
}

const distinct = (values: readonly number[]): number[] => [...new Set(values)];
