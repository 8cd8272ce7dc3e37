import type { Device } from "../gpu/device";
import { Stopwatch } from "../gpu/stopwatch";
import type { ConvUse } from "../kernels/conv/variants";
import { convKey, type Target } from "../kernels/conv/variants";
import type { ConvData } from "../reference/conv";
import { shaders } from "../wgsl/shaders";
import { type AnyVariant, candidates } from "./candidates";
import type { TuneStore } from "./store";
import { openTrial, type Trial } from "./trial";
import { trialData } from "./trial-data";

/** What became of one convolution. */
export interface TuneResult {
  readonly kernel: 1 | 3;
  readonly key: string;
  readonly variant: AnyVariant;
  /** Remembered from an earlier run: nothing was timed. */
  readonly remembered: boolean;
  /** Every candidate, the heuristic's choice first: its best time, or why it was not timed. */
  readonly trials: readonly TrialResult[];
}

export interface TrialResult {
  readonly variant: AnyVariant;
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
type Remembered = Record<"conv3x3" | "conv1x1", Record<string, AnyVariant>>;

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
      const kind = use.kernel === 3 ? "conv3x3" : "conv1x1";
      const key = convKey(use.shape, use.weights);
      const choices = candidates(use, target);
      // Only what is a candidate still is believed: files get old, and anybody may have written them.
      const known = choices.find((variant) => JSON.stringify(variant) === JSON.stringify(remembered[kind][key]));
      const trials = known || choices.length === 1 ? [] : await compare(device, watch, use, choices, signal);
      const variant = known ?? winner(trials, choices[0]!);
      results.push({ kernel: use.kernel, key, variant, remembered: known !== undefined, trials });
      remembered[kind][key] = variant;
      onTuned?.(results.length, uses.length);
    }
  } finally {
    watch.destroy();
  }
  if (results.some(({ trials }) => trials.length > 0)) await store.write(name, JSON.stringify(remembered));
  const of = (kernel: 1 | 3) =>
    Object.fromEntries(results.filter((r) => r.kernel === kernel).map(({ key, variant }) => [key, variant]));
  return { tuned: { conv3x3: of(3), conv1x1: of(1) } as Tuned, results };
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
  choices: readonly AnyVariant[],
  signal: AbortSignal | undefined,
): Promise<TrialResult[]> {
  const data = trialData(use);
  const opened: Contestant[] = [];
  const results: TrialResult[] = [];
  try {
    for (const [index, variant] of choices.entries()) {
      signal?.throwIfAborted();
      const checked = await check(device, use, variant, data);
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
  variant: AnyVariant,
  data: ConvData,
): Promise<{ result: TrialResult; trial?: Trial }> {
  let trial: Trial | undefined;
  try {
    trial = await openTrial(device, use, variant, data);
    const worstError = await device.guarded("tune", trial.worstError);
    const allowed = toleranceOf(variant);
    if (worstError <= allowed) return { result: { variant, worstError }, trial };
    trial.destroy();
    return { result: { variant, worstError, refused: `off by ${worstError}, allowed ${allowed}` } };
  } catch (error) {
    trial?.destroy();
    device.check();
    return { result: { variant, refused: (error as Error).message } };
  }
}

/** Absolute, for outputs near 1: what the kernels' own tests hold, with room for deep sums. */
function toleranceOf(variant: AnyVariant): number {
  if (variant.kind === "tile" && variant.matrix?.component === "f16") return 5e-3;
  return variant.kind === "winograd" ? 2e-4 : 2e-5;
}

/** The fastest, or the heuristic's choice where nothing is clearly faster. */
function winner(trials: readonly TrialResult[], heuristic: AnyVariant): AnyVariant {
  const timed = trials.filter(({ ms }) => ms !== undefined).sort((a, b) => a.ms! - b.ms!);
  const first = trials.find(({ variant }) => variant === heuristic)?.ms;
  const fastest = timed[0];
  if (!fastest) return heuristic;
  return first !== undefined && fastest.ms! > WORTH_IT * first ? heuristic : fastest.variant;
}

/** Winners hold for one adapter, one precision, and these shaders. */
async function storeKey({ description }: Device, { precision, subgroups }: Target): Promise<string> {
  const text = JSON.stringify([description, precision, subgroups, shaders]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return `tune-${[...digest.slice(0, 12)].map((b) => b.toString(16).padStart(2, "0")).join("")}.json`;
}

function parse(text: string | undefined): Remembered {
  try {
    const { conv3x3, conv1x1 } = JSON.parse(text ?? "{}") as Partial<Remembered>;
    return { conv3x3: { ...conv3x3 }, conv1x1: { ...conv1x1 } };
  } catch {
    return { conv3x3: {}, conv1x1: {} };
  }
}
