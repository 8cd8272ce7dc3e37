import { UserError } from "../errors";

/** Training steps of the paper's models, and the scale that parameters of a run are said on: `tEdit` 400 is at 40 % of the
 *  way from the picture to noise, however many training steps a model has. */
export const TRAIN_STEPS = 1000;

/** Noise added at each training step: a formula, or the values themselves. */
export type Betas =
  | { readonly kind: "linear" | "scaled_linear" | "sigmoid"; readonly start: number; readonly end: number }
  | { readonly kind: "squaredcos_cap_v2" }
  | { readonly kind: "trained_betas"; readonly values: readonly number[] }
  /** alpha-bar(u) = (s(3) - s(6u - 3)) / (s(3) - s(-3)) with s the sigmoid: lucidrains' sigmoid_beta_schedule */
  | { readonly kind: "sigmoid_alphas" }
  /** alpha-bar itself, as files of lucidrains' code keep it */
  | { readonly kind: "alphas_cumprod"; readonly values: readonly number[] };

/** How a run solves for the next x: DDIM (Song et al. 2021), or DPM-Solver++(2M) (Lu et al. 2022), which takes as many
 *  forwards a step and needs fewer steps. */
export type Solver = (typeof SOLVERS)[number];
export const SOLVERS = ["ddim", "dpm++2m"] as const;

/** The variable in which the time steps of a run are evenly spaced: t, or lambda, half the logarithm of the signal-to-noise ratio. */
export type Spacing = (typeof SPACINGS)[number];
export const SPACINGS = ["time", "lambda"] as const;

/** The spacing that suits a solver: multistep extrapolates in lambda. */
export const spacingOf = (solver: Solver): Spacing => (solver === "ddim" ? "time" : "lambda");

/** Meaning of a network's output. */
export type Prediction = "epsilon" | "sample" | "v_prediction";

/** The noise that a model was trained with, and how its scheduler samples. Plain data. */
export interface Schedule {
  /** T: time steps are 0 to T - 1 */
  readonly trainSteps: number;
  readonly betas: Betas;
  /** alphas moved so that the last is 0.   Lin et al. 2024, algorithm 1 */
  readonly zeroSnr: boolean;
  readonly prediction: Prediction;
  /** time steps of a sampling run: the paper's, a rule of diffusers, or that of lucidrains' code */
  readonly spacing: "paper" | "leading" | "trailing" | "linspace" | "lucidrains";
  /** added to the time steps of `leading` */
  readonly stepsOffset: number;
  /** does sampling end at alpha-bar 1, or at that of t = 0? */
  readonly finalAlphaOne: boolean;
  /** sampling clamps the predicted x0 to +-clip; 0: it does not. Inversion and injection never do. */
  readonly clip: number;
  /** the noise is computed anew from the clamped x0; default: it is not */
  readonly rederive?: boolean;
}

/** Ho et al. 2020; the schedule of every model of the paper. */
export const DDPM_SCHEDULE: Schedule = {
  trainSteps: TRAIN_STEPS,
  betas: { kind: "linear", start: 1e-4, end: 0.02 },
  zeroSnr: false,
  prediction: "epsilon",
  spacing: "paper",
  stepsOffset: 0,
  finalAlphaOne: true,
  clip: 0,
};

const linspace = (from: number, to: number, n: number) => (i: number) => from + ((to - from) * i) / (n - 1);

/** beta_t for t = 0..T-1 in f64.   diffusers src/diffusers/schedulers/scheduling_ddpm.py */
export function betasOf({ betas, trainSteps: n, zeroSnr }: Omit<Schedule, "spacing" | "clip">): Float64Array {
  const plain = Float64Array.from({ length: n }, (_, i) => formula(betas, n, i));
  if (!zeroSnr) return plain;
  const bars = cumulative(plain, (v) => v);
  const [first, last] = [Math.sqrt(bars[0]!), Math.sqrt(bars[n - 1]!)];
  const moved = bars.map((a) => (((Math.sqrt(a) - last) * first) / (first - last)) ** 2);
  return moved.map((a, i) => 1 - a / (i === 0 ? 1 : moved[i - 1]!));
}

function formula(betas: Betas, n: number, i: number): number {
  switch (betas.kind) {
    case "linear":
      return linspace(betas.start, betas.end, n)(i);
    case "scaled_linear":
      return linspace(Math.sqrt(betas.start), Math.sqrt(betas.end), n)(i) ** 2;
    case "sigmoid":
      return (betas.end - betas.start) / (1 + Math.exp(-linspace(-6, 6, n)(i))) + betas.start;
    case "squaredcos_cap_v2": {
      const bar = (u: number) => Math.cos(((u + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
      return Math.min(1 - bar((i + 1) / n) / bar(i / n), 0.999);
    }
    case "sigmoid_alphas": {
      const s = (v: number) => 1 / (1 + Math.exp(-v));
      const bar = (u: number) => s(3) - s(6 * u - 3);
      return Math.min(1 - bar((i + 1) / n) / bar(i / n), 0.999);
    }
    case "trained_betas":
      return betas.values[i]!;
    case "alphas_cumprod":
      return 1 - betas.values[i]! / (i === 0 ? 1 : betas.values[i - 1]!);
    default:
      return betas satisfies never;
  }
}

function cumulative(betas: Float64Array, round: (v: number) => number): Float64Array {
  let product = 1;
  return betas.map((beta) => {
    product *= round(1 - round(beta));
    return round(product);
  });
}

/** alpha-bar_t = prod(1 - beta) for t = 0..T-1.   Ho et al. 2020
 *  `f32`: as the official program computes it, betas rounded to f32, 1 - beta in f32, the product rounded to f32 at every t.
 *  Otherwise f64 throughout. */
export function alphaBars(precision: "f64" | "f32" = "f64", schedule: Schedule = DDPM_SCHEDULE): Float64Array {
  const { betas } = schedule;
  if (betas.kind === "alphas_cumprod" && !schedule.zeroSnr) return Float64Array.from(betas.values);
  const bars = cumulative(betasOf(schedule), precision === "f32" ? Math.fround : (v) => v);
  if (schedule.zeroSnr) bars[bars.length - 1] = 0; // exactly, as its beta is 1 but for rounding
  return bars;
}

/** lambda = ln(sqrt(a) / sqrt(1 - a)), half the logarithm of the signal-to-noise ratio.   Lu et al. 2022
 *  Alpha-bar 0, of schedules with zero terminal SNR, counts as 2^-24 (diffusers' choice). */
export const logSnr = (a: number): number => Math.log((a || LEAST_ALPHA) / (1 - a)) / 2;
const LEAST_ALPHA = 2 ** -24;

/** @throws UserError for a schedule that is none: T of 1, betas outside (0, 1), alphas that do not fall. */
export function checkSchedule(schedule: Schedule, where: string): Schedule {
  const { trainSteps, betas, zeroSnr, prediction } = schedule;
  if (!Number.isInteger(trainSteps) || trainSteps < 2 || trainSteps > 100_000)
    throw new UserError(`${where}: ${trainSteps} training steps; expected a whole number from 2 to 100000`);
  if ("values" in betas && betas.values.length !== trainSteps)
    throw new UserError(
      `${where}: ${betas.values.length} ${betas.kind} for ${trainSteps} training steps; expected one each`,
    );
  if (zeroSnr && prediction === "epsilon")
    throw new UserError(
      `${where}: rescale_betas_zero_snr with prediction_type epsilon; nothing can be predicted from pure noise, expected v_prediction or sample`,
    );
  if (betas.kind === "alphas_cumprod") {
    const at = betas.values.findIndex((a, i) => !(a > 0 && a < (betas.values[i - 1] ?? 1 + 1e-12)));
    if (at >= 0)
      throw new UserError(`${where}: alphas_cumprod ${betas.values[at]} at ${at}; expected them to fall from 1 to 0`);
    return schedule;
  }
  const values = betasOf({ ...schedule, zeroSnr: false });
  const at = values.findIndex((beta) => !(beta > 0 && beta < 1));
  if (at >= 0) throw new UserError(`${where}: beta ${values[at]} at step ${at}; expected a number between 0 and 1`);
  return schedule;
}

/** The schedule of a model of lucidrains' code, whose file holds alpha-bar: sampling clamps x0 always.
 *  @throws UserError as `checkSchedule` */
export const alphasSchedule = (
  values: readonly number[],
  prediction: Prediction,
  rederive: boolean,
  where: string,
): Schedule =>
  checkSchedule(
    {
      ...DDPM_SCHEDULE,
      trainSteps: values.length,
      betas: { kind: "alphas_cumprod", values },
      prediction,
      spacing: "lucidrains",
      clip: 1,
      rederive,
    },
    where,
  );

/** A value on the scale of 1000 training steps, on this model's. */
export const onScale = (value: number, { trainSteps }: Pick<Schedule, "trainSteps">): number =>
  (value * trainSteps) / TRAIN_STEPS;

/** The largest time step that `top`, on the scale of 1000, stands for: 999 is the model's last that an inversion can reach. */
export const topTime = (top: number, schedule: Schedule): number =>
  Math.max(1, Math.min(Math.round(((top + 1) * schedule.trainSteps) / TRAIN_STEPS) - 1, lastTold(schedule)));

/** Least alpha-bar at which a predicted noise still tells the picture: P = (x - sqrt(1 - a) e) / sqrt(a) multiplies errors of e
 *  by 1 / sqrt(a). The paper's schedule ends at 4.04e-5, where that is 157. The last step of a cosine schedule of 1000 has
 *  2.4e-9, where it is 20,000, and what comes back from there is noise. */
const LEAST_TOLD = 3e-5;

/** The last time step from which a picture can come back. Other outputs than the noise tell it at any. */
function lastTold(schedule: Schedule): number {
  if (schedule.prediction !== "epsilon") return schedule.trainSteps - 1;
  let last = lastTolds.get(schedule);
  if (last === undefined) {
    last = alphaBars("f64", schedule).findLastIndex((a) => a >= LEAST_TOLD);
    lastTolds.set(schedule, last);
  }
  return last;
}

/** What `lastTold` found, by schedule: it takes all alpha-bars, and a plan asks several times. */
const lastTolds = new WeakMap<Schedule, number>();

/** Time steps of a run of `count` steps, ascending: int(linspace(0, 1, count) * top + 1e-6).   method of the paper
 *  @throws UserError unless 1 <= count <= top + 1. */
export function timeSteps(count: number, top = TRAIN_STEPS - 1): number[] {
  if (!Number.isInteger(count) || count < 1 || count > top + 1)
    throw new UserError(`${count} steps: expected a whole number from 1 to ${top + 1}`);
  if (count === 1) return [0]; // as linspace does
  return Array.from({ length: count }, (_, i) => Math.floor((i / (count - 1)) * top + 1e-6));
}

/** Time steps of a run of `count` steps, ascending from 0 to `top`. Where lambda leaves no time step of its own, the nearest
 *  free one is taken. @throws UserError unless 1 <= count <= top + 1 */
export function spacedBy(spacing: Spacing, count: number, top: number, schedule: Schedule): number[] {
  const times = timeSteps(count, top);
  if (spacing === "time" || count < 3) return times;
  const lambda = Array.from(alphaBars("f64", schedule).subarray(0, top + 1), logSnr);
  let least = 0;
  return times.map((_, i) => {
    const target = lambda[0]! + ((lambda[top]! - lambda[0]!) * i) / (count - 1);
    const most = top - (count - 1 - i);
    for (let t = least; t < most && Math.abs(lambda[t + 1]! - target) < Math.abs(lambda[t]! - target); ) least = ++t;
    return least++;
  });
}

/** Pairs (t, next) of inversion: each step is evaluated at t and leads to the next larger one. */
export function inversionSteps(times: readonly number[]): { t: number; next: number }[] {
  return times.slice(0, -1).map((t, i) => ({ t, next: times[i + 1]! }));
}

/** Pairs (t, next) of generation, from the top down; the last leads to -1, the clean image. */
export function generationSteps(times: readonly number[]): { t: number; next: number }[] {
  return times.map((t, i) => ({ t, next: i === 0 ? -1 : times[i - 1]! })).reverse();
}

/** numpy's rounding: of a half, to the even neighbour. */
const roundEven = (v: number): number => {
  const floor = Math.floor(v);
  const half = v - floor === 0.5;
  return half ? floor + (floor % 2) : Math.round(v);
};

/** Time steps of diffusers' DDPM and DDIM schedulers, from the top down.   scheduling_ddim.py, set_timesteps */
export function spacedTimes(n: number, { trainSteps: T, spacing, stepsOffset }: Schedule): number[] {
  const all = Array.from({ length: n }, (_, i) => i);
  const stride = Math.floor(T / n);
  switch (spacing) {
    case "leading":
      return all.map((k) => (n - 1 - k) * stride + stepsOffset);
    case "trailing":
      return all.map((k) => roundEven(T - (k * T) / n) - 1);
    case "linspace":
      return all.map((k) => roundEven(n === 1 ? 0 : ((n - 1 - k) * (T - 1)) / (n - 1)));
    case "paper":
      return timeSteps(n, T - 1).reverse();
    case "lucidrains": // int(linspace(-1, T - 1, n + 1)) from the top down, without the -1; truncated towards 0
      return all.map((k) => Math.trunc(((n - k) * T) / n - 1));
    default:
      return spacing satisfies never;
  }
}

/** Pairs (t, next) of a sampling run by the model's own scheduler; a negative `next` is the clean picture.
 *  @throws UserError for more steps than there are, or an offset that leads past the last */
export function samplingSteps(n: number, schedule: Schedule): { t: number; next: number }[] {
  const { trainSteps: T, spacing, stepsOffset } = schedule;
  if (!Number.isInteger(n) || n < 1 || n > T) throw new UserError(`${n} steps: expected a whole number from 1 to ${T}`);
  const times = spacedTimes(n, schedule);
  if (spacing === "paper" || spacing === "lucidrains") return generationSteps(times.toReversed());
  if (times[0]! >= T)
    throw new UserError(
      `${n} steps: with steps_offset ${stepsOffset} they begin at ${times[0]}, past the last time step ${T - 1}; take fewer`,
    );
  const stride = Math.floor(T / n);
  return times.map((t) => ({ t, next: t - stride }));
}

/** Time steps of diffusers' DPMSolverMultistepScheduler, from the top down.   scheduling_dpmsolver_multistep.py
 *  The paper's models get those of its default, linspace. Where the network predicts the noise, time steps beyond lambda
 *  -5.1 are left out: the predicted picture is all error there. */
export function multistepTimes(n: number, schedule: Schedule): number[] {
  const { trainSteps: T, spacing, stepsOffset, prediction } = schedule;
  const known = prediction === "epsilon" ? alphaBars("f64", schedule).findIndex((a) => logSnr(a) <= -5.1) : -1;
  const L = known < 0 ? T : known;
  const all = Array.from({ length: n }, (_, k) => k);
  switch (spacing) {
    case "leading":
      return all.map((k) => (n - k) * Math.floor(L / (n + 1)) + stepsOffset);
    case "trailing":
      return all.map((k) => roundEven(L - (k * T) / n) - 1);
    case "linspace":
    case "paper":
    case "lucidrains":
      return all.map((k) => roundEven(((n - k) * (L - 1)) / n));
    default:
      return spacing satisfies never;
  }
}

/** Pairs (t, next) of a sampling run by DPM-Solver++; a negative `next` is the clean picture.
 *  @throws UserError for fewer than 2 steps, more than there are, or an offset that leads past the last */
export function multistepPairs(n: number, schedule: Schedule): { t: number; next: number }[] {
  const { trainSteps: T, stepsOffset } = schedule;
  if (!Number.isInteger(n) || n < 2 || n >= T)
    throw new UserError(`${n} steps: expected a whole number from 2 to ${T - 1}`);
  const times = multistepTimes(n, schedule);
  if (times[0]! >= T || times.some((t, i) => t < 0 || t >= (times[i - 1] ?? T)))
    throw new UserError(
      `${n} steps: with steps_offset ${stepsOffset} they are not ${n} different time steps below ${T}; take fewer`,
    );
  return times.map((t, i) => ({ t, next: times[i + 1] ?? -1 }));
}

/** The time step whose prediction each step of a run extrapolates from, by DPM-Solver++(2M): that of the step before. Steps
 *  of first order have none: the first; one to a picture without noise, which is infinitely far in lambda; the last, where
 *  the run has fewer than 15 (diffusers' lower_order_final); and those that go much further in lambda than the one before,
 *  as steps evenly spaced in t do when they reach t = 0.   Lu et al. 2022
 *  @param finalAlphaOne whether a negative `next` is a picture without noise */
export function lastTimes(
  solver: Solver,
  pairs: readonly { readonly t: number; readonly next: number }[],
  schedule: Schedule,
  finalAlphaOne = true,
): (number | undefined)[] {
  const moving = pairs.filter(({ t, next }) => t !== next).length;
  const lambda = Array.from(alphaBars("f64", schedule), logSnr);
  const strides = pairs.map(({ t, next }) =>
    Math.abs((next < 0 && finalAlphaOne ? Infinity : lambda[Math.max(0, next)]!) - lambda[t]!),
  );
  return pairs.map((_, k) => {
    const low = k === 0 || strides[k]! > FURTHER * strides[k - 1]! || (k >= moving - 1 && moving < 15);
    return solver === "ddim" || low ? undefined : pairs[k - 1]!.t;
  });
}

/** Strides in lambda, as a multiple of the one before, beyond which an extrapolation overshoots: at 3.8 it was twice as far
 *  off as first order on data with a known path. */
const FURTHER = 2.5;

/** The stored time step nearest to t; of two as near, the larger one (the official program's choice). */
export function nearestTime(stored: readonly number[], t: number): number {
  return stored.reduce((best, key) => {
    const closer = Math.abs(key - t) - Math.abs(best - t);
    return closer < 0 || (closer === 0 && key > best) ? key : best;
  });
}
