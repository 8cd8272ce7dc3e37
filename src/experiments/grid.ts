import type { InjectParameters, Pixels } from "../api";
import { type Hooks, withHooks } from "../inject/hooks";
import type { Inversion } from "../inject/inversion";
import type { Model } from "../inject/model";
import { byBatch, type Inverted, isolated, type Outcome, sameNoise, selectAll } from "./batches";
import { type Block, blockSides, blocksOf, lengthOf, pairsIn } from "./blocks";
import type { Keeper, Wanted } from "./keeper";

/** A pair of a grid, by position in the lists of contents and originals. */
export interface Pair {
  readonly content: number;
  readonly original: number;
}

/** Sources and parameters of a grid. Pictures are asked for when their block comes, and nothing of them is kept after it. */
export interface GridWork {
  /** the part of the grid to do */
  readonly within: Block;
  content(i: number): Wanted;
  original(i: number): Wanted;
  /** The pairs of a block that are not there yet. */
  missing(block: Block): Promise<readonly Pair[]>;
}

export interface GridOptions {
  readonly parameters: InjectParameters;
  /** most pairs in a batch */
  readonly batch: number;
  readonly tap?: string;
  readonly mutate?: Hooks["mutate"];
  readonly signal: AbortSignal;
  /** Told of the share of all work that is done, 0 to 1. */
  readonly onShare?: (share: number) => void;
  /** Called as soon as a pair is there, or has failed. */
  readonly onPair: (pair: Pair, outcome: Outcome<Pixels>, seconds: number) => Promise<void>;
  readonly onBlock?: (block: Block) => Promise<void>;
}

/** Share of a block's time that its inversions take, roughly. */
const INVERTING = 0.3;

/** Injects every pair that is missing, block by block: memory does not depend on the size of the grid. Batches are filled
 *  along the longer side of a block, and a pair that fails takes no other with it. */
export async function runGrid(keeper: Keeper, work: GridWork, options: GridOptions): Promise<void> {
  const { within } = work;
  const { signal, batch, onShare, onBlock } = options;
  const all = pairsIn(within);
  const kept = Math.floor(keeper.options.budget / keeper.perPicture);
  const size = { contents: lengthOf(within.contents), originals: lengthOf(within.originals) };
  let passed = 0;
  for (const block of all === 0 ? [] : blocksOf(within, blockSides(size, kept, batch))) {
    signal.throwIfAborted();
    const share = (part: number) => onShare?.((passed + part * pairsIn(block)) / all);
    const pairs = await work.missing(block);
    if (pairs.length > 0) {
      const contents = wantedBy(pairs, "content", work);
      const originals = wantedBy(pairs, "original", work);
      const wanted = [...contents.values(), ...originals.values()];
      const held = await keeper.hold(wanted, { signal, onShare: (part) => share(INVERTING * part) });
      const found = (some: ReadonlyMap<number, Wanted>) =>
        new Map([...some].map(([i, { key }]) => [i, held.outcomes.get(key)!]));
      try {
        const onPairs = (done: number) => share(INVERTING + ((1 - INVERTING) * done) / pairs.length);
        await generate(keeper.model, pairs, found(contents), found(originals), options, onPairs);
      } finally {
        held.release();
      }
    }
    passed += pairsIn(block);
    share(0);
    if (pairs.length > 0) await onBlock?.(block);
  }
}

const wantedBy = (pairs: readonly Pair[], side: "content" | "original", work: GridWork) =>
  new Map(distinct(pairs.map((pair) => pair[side])).map((i) => [i, work[side](i)]));

type Found = ReadonlyMap<number, Outcome<Inverted>>;

async function generate(
  model: Model,
  pairs: readonly Pair[],
  content: Found,
  original: Found,
  options: GridOptions,
  onPairs: (done: number) => void,
) {
  let done = 0;
  const finish = async (pair: Pair, outcome: Outcome<Pixels>, seconds: number) => {
    await options.onPair(pair, outcome, seconds);
    onPairs(++done);
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
      options.signal.throwIfAborted();
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
