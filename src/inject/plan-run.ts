import type { InjectParameters } from "../api";
import type { MixRule } from "../kernels/step/step-row";
import { generationSteps, inversionSteps, nearestTime, timeSteps } from "../model/schedule";
import type { Step } from "./step-table";

/** Which step graph a step runs. */
export type Program = "plain" | "injected" | "calibrated";

/** One step of a generation run: a graph, and a row of the step table for every sample. */
export interface RunStep {
  readonly program: Program;
  readonly t: number;
  readonly samples: readonly Step[];
  /** stored time whose h is injected */
  readonly bankTime: number;
}

/** What one sample of a batch is generated with. */
export interface SampleRun {
  readonly parameters: InjectParameters;
  /** gamma of every content, the first being `parameters.gamma` */
  readonly gammas: readonly number[];
  /** mixing rule of every content */
  readonly rules: readonly MixRule[];
}

/** Steps of an inversion run. The top time step is evaluated too, for its h (the step leads to itself); the official
 *  program leaves it out of the bank, and so does `faithful`. */
export function inversionPlan(steps: number, top: number, faithful: boolean): { t: number; next: number }[] {
  const times = timeSteps(steps, top);
  return [...inversionSteps(times), ...(faithful ? [] : [{ t: top, next: top }])];
}

/** Steps of a generation run. All samples share the time steps; where one is injected and another is not, the graph is
 *  the injected one and the other's gammas are 0, which leaves it alone to the bit. */
export function generationPlan(samples: readonly SampleRun[], bankTimes: readonly number[]): RunStep[] {
  const { steps, top } = samples[0]!.parameters;
  return generationSteps(timeSteps(steps, top)).map(({ t, next }, draw) => {
    const plans = samples.map((s, stream) => sampleStep(s, { t, next, draw, stream }));
    const program: Program = plans.some((p) => p.program === "calibrated")
      ? "calibrated"
      : plans.some((p) => p.program === "injected")
        ? "injected"
        : "plain";
    return { program, t, samples: plans.map((p) => p.step), bankTime: nearestTime(bankTimes, t) };
  });
}

function sampleStep(
  { parameters: p, gammas, rules }: SampleRun,
  { t, next, draw, stream }: { t: number; next: number; draw: number; stream: number },
): { program: Program; step: Step } {
  const replaced = p.replaceSteps === undefined || timeSteps(p.replaceSteps, p.top).includes(t);
  const injects = replaced && t >= p.tEdit && gammas.some((g) => g > 0);
  // The official program runs injected steps at t <= t_noise with eta 1, the others without noise.
  const boosted = t <= p.tBoost && (replaced || !p.faithful);
  const calibrates = injects && p.omega !== "off" && (p.omega > 0 || !p.faithful);
  // With calibration on, the official program forgets lambda.
  const forgotten = p.faithful && p.omega !== "off" && p.omega > 0;
  const lambda = replaced && t >= p.dtEnd && !forgotten ? p.dtLambda : 1;
  return {
    program: calibrates ? "calibrated" : injects ? "injected" : "plain",
    step: {
      t,
      next,
      eta: boosted ? 1 : 0,
      dtLambda: lambda,
      gammas: injects ? gammas : gammas.map(() => 0),
      rules,
      omega: p.omega === "off" ? 0 : p.omega,
      rescale: p.rescale,
      seed: p.seed,
      stream,
      draw,
    },
  };
}
