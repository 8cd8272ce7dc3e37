import type { Device } from "../gpu/device";
import { Stopwatch } from "../gpu/stopwatch";
import { candidates } from "../kernels/conv/tuner-variants";
import { type ConvUse, type ConvVariant, convKey } from "../kernels/conv/variant";
import type { Target } from "../kernels/target";
import type { ConvData } from "../reference/conv";
import { allShaders } from "../wgsl/tuner-shaders";
import type { TuneStore } from "./store";
import { openTrial, type Trial } from "./trial";
import { trialData } from "./trial-data";

/** Result of tuning one convolution. */
export interface TuneResult {
  readonly key: string;
  readonly variant: ConvVariant;
  /** Remembered from an earlier run: nothing was timed. */
  readonly remembered: boolean;
  /** Every candidate, the heuristic's choice first: its best time, or why it was not timed. */
  readonly trials: readonly TrialResult[];
}

export interface TrialResult {
  readonly variant: ConvVariant;
  readonly worstError?: number;
  readonly ms?: number;
  readonly refused?: string;
}

export interface TuneOptions {
  readonly store: TuneStore;
  readonly signal?: AbortSignal | undefined;
  readonly onTuned?: ((done: number, all: number) => void) | undefined;
}

type Tuned = NonNullable<Target["tuned"]>;

/** Rounds in which the candidates take turns; the best time of each counts. */
const ROUNDS = 3;

/** A pass lasts at least this long, for timestamps may come in steps of 0.1 ms. */
const PASS_SECONDS = 1e-3;

/** A candidate this many times slower than the fastest so far gets no further run. */
const HOPELESS = 4;

/** A variant replaces the heuristic's only where it is faster than this share of its time: less is noise. */
const WORTH_IT = 0.97;

/** Times the candidates for each convolution on this device, once each has passed the reference, and remembers the winners.
 *  @returns what `Target.tuned` takes, and how it came about */
export async function tuneQuick(
  device: Device,
  uses: readonly ConvUse[],
  target: Target,
  { store, signal, onTuned }: TuneOptions,
): Promise<{ tuned: Tuned; results: TuneResult[] }> {
  const name = await storeKey(device, target);
  const remembered = parse(await store.read(name));
  const results: TuneResult[] = [];
  const watch = new Stopwatch(device);
  try {
    for (const use of uses) {
      signal?.throwIfAborted();
      const at = { ...target, weights: use.weights };
      const key = convKey(use.shape, use.weights);
      const choices = candidates(use.shape, at);
      // Ignore a remembered name that is no longer a candidate: the file may be stale or untrusted.
      const known = choices.find((variant) => variant.name === remembered[key]);
      const trials = known || choices.length === 1 ? [] : await compare(device, watch, use, choices, at, signal);
      const variant = known ?? winner(trials, choices[0]!);
      results.push({ key, variant, remembered: known !== undefined, trials });
      remembered[key] = variant.name;
      onTuned?.(results.length, uses.length);
    }
  } finally {
    watch.destroy();
  }
  if (results.some(({ trials }) => trials.length > 0)) await store.write(name, JSON.stringify(remembered));
  return { tuned: Object.fromEntries(results.map(({ key, variant }) => [key, variant])), results };
}

interface Contestant {
  readonly trial: Trial;
  /** among the candidates */
  readonly index: number;
  /** best so far */
  seconds: number;
}

/** Checks every candidate, then times those that passed, in turns. */
async function compare(
  device: Device,
  watch: Stopwatch,
  use: ConvUse,
  choices: readonly ConvVariant[],
  target: Target,
  signal: AbortSignal | undefined,
): Promise<TrialResult[]> {
  const data = trialData(use);
  const opened: Contestant[] = [];
  const results: TrialResult[] = [];
  try {
    for (const [index, variant] of choices.entries()) {
      signal?.throwIfAborted();
      const checked = await check(device, use, variant, target, data);
      results.push(checked.result);
      if (!checked.trial) continue;
      opened.push({ trial: checked.trial, index, seconds: await watch.seconds(checked.trial, 1) });
    }
    const best = () => Math.min(...opened.map(({ seconds }) => seconds));
    for (let round = 0; round < ROUNDS; round++)
      for (const contestant of opened.filter(({ seconds }) => seconds <= HOPELESS * best())) {
        const times = Math.min(100, Math.ceil(PASS_SECONDS / Math.max(1e-6, contestant.seconds)));
        const seconds = (await watch.seconds(contestant.trial, times)) / times;
        contestant.seconds = Math.min(contestant.seconds, seconds);
      }
    for (const { index, seconds } of opened) results[index] = { ...results[index]!, ms: seconds * 1e3 };
    return results;
  } finally {
    for (const { trial } of opened) trial.destroy();
  }
}

/** Compiles a candidate and compares it with the reference; a trial comes back only where it passes. */
async function check(
  device: Device,
  use: ConvUse,
  variant: ConvVariant,
  target: Target,
  data: ConvData,
): Promise<{ result: TrialResult; trial?: Trial }> {
  let trial: Trial | undefined;
  try {
    trial = await openTrial(device, use, variant, target, data);
    const worstError = await device.guarded("tune", trial.worstError);
    const allowed = variant.tolerance(target.weights) + (target.activations === "f16" ? ROUNDED : 0);
    if (worstError <= allowed) return { result: { variant, worstError }, trial };
    trial.destroy();
    return { result: { variant, worstError, refused: `off by ${worstError}, allowed ${allowed}` } };
  } catch (error) {
    trial?.destroy();
    device.check();
    return { result: { variant, refused: (error as Error).message } };
  }
}

/** The fastest, or the heuristic's choice where nothing is clearly faster. */
function winner(trials: readonly TrialResult[], heuristic: ConvVariant): ConvVariant {
  const timed = trials.filter(({ ms }) => ms !== undefined).sort((a, b) => a.ms! - b.ms!);
  const first = trials.find(({ variant }) => variant === heuristic)?.ms;
  const fastest = timed[0];
  if (!fastest) return heuristic;
  return first !== undefined && fastest.ms! > WORTH_IT * first ? heuristic : fastest.variant;
}

/** By how much an f16 output near 1 may be off for its type alone. */
const ROUNDED = 2e-3;

/** Winners hold for one adapter, one precision, one storage of activations, and these shaders. */
async function storeKey({ description }: Device, { precision, subgroups, activations }: Target): Promise<string> {
  const text = JSON.stringify([description, precision, subgroups, allShaders, activations]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return `tune-${[...digest.slice(0, 12)].map((b) => b.toString(16).padStart(2, "0")).join("")}.json`;
}

function parse(text: string | undefined): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(text ?? "{}");
    return typeof found === "object" && found !== null ? { ...found } : {};
  } catch {
    return {};
  }
}
