import type { Device } from "../../src/gpu/device";
import { stepRow } from "../../src/inject/step-table";
import { elements, f32 } from "../../src/kernels/dispatch";
import { ddimStep } from "../../src/kernels/step/ddim";
import { STEP, STEP_FLOATS } from "../../src/kernels/step/step-row";
import { readSchedule } from "../../src/model/checkpoint/scheduler-config";
import {
  alphaBars,
  betasOf,
  type Prediction,
  type Schedule,
  samplingSteps,
  spacedTimes,
} from "../../src/model/schedule";
import { runOn } from "../support/run";
import { compare } from "./compare";
import type { CaseResult, Values } from "./kernels";

type Json = Readonly<Record<string, unknown>>;

/** One step of an upstream scheduler. */
interface StepCase {
  readonly id: string;
  readonly scheduler: "DDIMScheduler" | "DDIMInverseScheduler" | "DDPMScheduler";
  readonly prediction_type: Prediction;
  readonly clip_sample: boolean;
  readonly t: number;
  /** DDIM and DDPM: where the step leads; inverse: where it comes from */
  readonly t_prev?: number;
  readonly t_from?: number;
  readonly eta?: number;
  readonly use_clipped_model_output?: boolean;
  readonly variance_type?: "fixed_small" | "fixed_large";
  readonly noise_added?: boolean;
  readonly finite: boolean;
  /** upstream's f32 against f64 */
  readonly noise_floor?: { readonly max_abs: number };
}

interface ConfigCase {
  readonly id: string;
  readonly config: Readonly<Record<string, Json>>;
  readonly timesteps: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  readonly steps: readonly StepCase[];
}

/** Steps of upstream agree with exact arithmetic to 5e-7 of the rms; with eta 1 its own f32 cancels, in 1 - a_next - sigma^2
 *  at zero SNR and in 1 - a / a_next next to the picture. */
const TOLERANCE = 1e-5;
const CANCELLED = 2e-3;
/** DDIM's are allowed this many times their own floor. */
const FLOORS = 20;

/** Tables, lists of time steps, and single steps of diffusers' schedulers. */
export async function* runSchedulers(
  configs: readonly ConfigCase[],
  tensors: ReadonlyMap<string, Values>,
  device: Device,
): AsyncGenerator<CaseResult> {
  for (const { id, config, timesteps, steps } of configs) {
    const name = config.DDIMScheduler ? "DDIMScheduler" : "DDPMScheduler";
    const schedule = unchecked({ ...config[name]!, _class_name: name });
    yield* tables(id, schedule, tensors);
    for (const [scheduler, lists] of Object.entries(timesteps)) yield* times(id, scheduler, config[scheduler]!, lists);
    // Upstream's own table: near t = 0 its rounding of 1 - a to f32 is worth 3e-4 of it.
    const bars = Float64Array.from(tensors.get(`${id}.alphas_cumprod`)!.data);
    yield* singleSteps(steps, { schedule, bars }, tensors, device);
  }
}

/** A scheduler's config with its prediction left to each step: a loader refuses epsilon at zero SNR. */
const unchecked = (config: Json): Schedule => readSchedule({ ...config, prediction_type: "v_prediction" }, "config");

function* tables(id: string, schedule: Schedule, tensors: ReadonlyMap<string, Values>): Iterable<CaseResult> {
  const bars = tensors.get(`${id}.alphas_cumprod`)!;
  const own = alphaBars("f64", schedule);
  yield compare(`${id}.alphas_cumprod`, Float32Array.from(own), bars, 1e-6, true);
  // Where alphas are tiny, upstream's f32 product is off by 1.3e-5 of each.
  const worst = Math.max(...bars.data.map((v, i) => (v === own[i] ? 0 : Math.abs(own[i]! / v - 1))));
  yield { id: `${id}.alphas_cumprod, each`, ok: worst <= 5e-5, worstAbs: 0, worstRel: worst, tolerance: 5e-5 };
  const betas = tensors.get(`${id}.betas`);
  if (betas) yield compare(`${id}.betas`, Float32Array.from(betasOf(schedule)), betas, 1e-5, true);
}

function* times(
  id: string,
  scheduler: string,
  config: Json,
  lists: Readonly<Record<string, readonly number[]>>,
): Iterable<CaseResult> {
  if (scheduler.startsWith("DPM")) return; // of another solver
  const schedule = unchecked({ ...config, _class_name: scheduler });
  for (const [n, expected] of Object.entries(lists)) {
    if (!Array.isArray(expected)) continue; // upstream has no such list: DDIMInverseScheduler with linspace
    const down = spacedTimes(Number(n), schedule);
    const found = scheduler === "DDIMInverseScheduler" ? down.reverse() : down;
    const same = `${found}` === `${expected}`;
    const past = Math.max(...expected) >= schedule.trainSteps;
    let refused = false;
    try {
      samplingSteps(Number(n), schedule);
    } catch {
      refused = true;
    }
    const ok = same && refused === past;
    const off = ok ? 0 : 1;
    yield { id: `${id}.${scheduler}.${n}`, ok, worstAbs: off, worstRel: off, tolerance: 0 };
  }
}

/** All single steps of a configuration, as one batch on the GPU. */
async function* singleSteps(
  steps: readonly StepCase[],
  { schedule, bars }: { readonly schedule: Schedule; readonly bars: Float64Array },
  tensors: ReadonlyMap<string, Values>,
  device: Device,
): AsyncGenerator<CaseResult> {
  const made: { step: StepCase; row: Float32Array }[] = [];
  for (const step of steps) {
    const none = { id: step.id, worstAbs: 0, worstRel: 0, tolerance: 0 };
    try {
      const row = rowOf(step, schedule, bars);
      if (step.finite) made.push({ step, row });
      else yield { ...none, ok: false, reason: "upstream divides by zero here, but a row was made" };
    } catch (error) {
      yield { ...none, ok: !step.finite, reason: (error as Error).message };
    }
  }
  const n = made.length;
  const shape = [n, ...tensors.get("sample")!.shape.slice(1)];
  const repeat = (name: string): Float32Array<ArrayBuffer> => {
    const { data } = tensors.get(name)!;
    return Float32Array.from({ length: n * data.length }, (_, i) => data[i % data.length]!);
  };
  const [x, eps, z, next, x0] = ["x", "eps", "z", "next", "x0"].map((name) => f32(name, ...shape));
  const rows = f32("steps", n, STEP_FLOATS);
  const inputs = new Map([
    [rows, Float32Array.from(made.flatMap(({ row }) => [...row]))],
    [x!, repeat("sample")],
    [eps!, repeat("model_output")],
    [z!, repeat("noise")],
  ]);
  const io = { steps: rows, x: x!, eps: eps!, noise: z!, next: next!, x0: x0! };
  const [found, clean] = await runOn(device, ddimStep(io, { asymmetric: false }), inputs, [next!, x0!]);
  const each = elements(next!) / n;
  const part = (all: Float32Array, k: number) => all.subarray(k * each, (k + 1) * each);
  for (const [k, { step }] of made.entries()) {
    const cancelled = (step.eta ?? 0) > 0 && (schedule.zeroSnr || 1 - bars[step.t]! < 1e-2);
    const floor = step.noise_floor && !cancelled ? FLOORS * step.noise_floor.max_abs : undefined;
    const tolerance = floor ?? (cancelled ? CANCELLED : TOLERANCE);
    yield compare(step.id, part(found!, k), tensors.get(step.id)!, tolerance, floor !== undefined);
    const picture = tensors.get(`${step.id}.x0`);
    if (picture) yield compare(`${step.id}.x0`, part(clean!, k), picture, TOLERANCE);
  }
}

/** The row of an upstream step. */
function rowOf(step: StepCase, schedule: Schedule, bars: Float64Array): Float32Array {
  const clean = schedule.finalAlphaOne ? "one" : "first";
  const { t, prediction_type } = step;
  const shared = { t, clip: step.clip_sample ? schedule.clip || 1 : 0 } as const;
  if (step.scheduler === "DDIMInverseScheduler")
    return stepRow({ ...shared, clean, from: step.t_from!, next: t }, bars, prediction_type);
  const next = step.t_prev!;
  const rederive = step.use_clipped_model_output ?? false;
  if (step.scheduler === "DDIMScheduler")
    return stepRow({ ...shared, clean, next, eta: step.eta ?? 0, rederive }, bars, prediction_type);
  const row = stepRow({ ...shared, next }, bars, prediction_type);
  const large = step.variance_type === "fixed_large";
  return ancestral(row, { a: bars[t]!, aNext: next < 0 ? 1 : bars[next]!, large, last: t === 0 });
}

/** x_next = sqrt(a_next) beta / (1 - a) P + sqrt(a / a_next) (1 - a_next) / (1 - a) x + sigma z, with 1 - beta = a / a_next.
 *  sigma^2: beta (1 - a_next) / (1 - a), the posterior's variance, or beta; 0 at t = 0.   DDPM, Ho et al. 2020, eq. 7 */
function ancestral(
  row: Float32Array,
  { a, aNext, large, last }: { a: number; aNext: number; large: boolean; last: boolean },
): Float32Array {
  const beta = 1 - a / aNext;
  const posterior = Math.max((beta * (1 - aNext)) / (1 - a), 1e-20);
  row[STEP.SQRT_ALPHA_NEXT] = (Math.sqrt(aNext) * beta) / (1 - a);
  row[STEP.DIRECTION] = (Math.sqrt(a / aNext) * (1 - aNext)) / (1 - a);
  row[STEP.SIGMA] = last ? 0 : Math.sqrt(large ? beta : posterior);
  row.set([1, 0], STEP.EPS_X);
  return row;
}
