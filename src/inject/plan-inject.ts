import type { Gamma } from "../api";
import { UserError } from "../errors";
import type { MixRule } from "../kernels/step/step-row";
import {
  DDPM_SCHEDULE,
  generationSteps,
  lastTimes,
  nearestTime,
  onScale,
  type Schedule,
  spacedBy,
  topTime,
} from "../model/schedule";
import type { UNet } from "../model/unet";
import type { Bank } from "./bank";
import { BDIA_SHARE, isExact } from "./methods";
import type { StepGraph } from "./ops";
import type { RunParameters } from "./parameters";
import type { Move, RunPlan } from "./plan";
import { calibratedStep, carried, injectedStep, type Memory, plainStep, TENSOR } from "./step-graphs";
import type { Step } from "./step-table";

/** Which graph a step runs. */
export type StepKind = "plain" | "injected" | "calibrated";

/** One step of a generation: a graph, and a row of the step table for every sample. */
export interface InjectStep {
  readonly graph: StepKind;
  readonly t: number;
  readonly samples: readonly Step[];
  /** stored time whose h is injected */
  readonly bankTime: number;
}

/** Parameters of one sample of a batch. */
export interface SampleRun {
  readonly parameters: RunParameters;
  /** gamma of every content, the first being `parameters.gamma` */
  readonly gammas: readonly Gamma[];
  /** mixing rule of every content */
  readonly rules: readonly MixRule[];
}

/** Everything an injection is decided by. */
export interface InjectPlanOptions {
  /** hash of the network's weights */
  readonly model: string;
  readonly samples: readonly SampleRun[];
  /** samples of one pair: sample n belongs to pair n / variants */
  readonly variants: number;
  readonly original: Bank;
  readonly contents: readonly (Bank & { readonly masked: boolean })[];
  readonly tap: string;
  readonly omegaRegions: number;
  /** shader with a mixing rule of its own */
  readonly mixShader?: string;
  readonly labels?: readonly number[] | undefined;
  /** whether step k takes its noise from the given tensor `noise.<k>` */
  readonly givenNoise?: (k: number) => boolean;
  readonly mutate?: ((steps: readonly InjectStep[]) => InjectStep[]) | undefined;
  readonly schedule?: Schedule;
}

/** Names of given tensors. */
export const GIVEN = {
  xT: "original/x_T",
  rest: "original/rest",
  z: (t: number) => `original/z.${t}`,
  h: (content: number, t: number) => `content.${content}/h.${t}`,
  noise: (k: number) => `noise.${k}`,
} as const;

/** Content injection.   Jeong et al. 2023
 *  Given: `original/x_T`, and by the method of the inversions `original/rest` or `original/z.<t>`; `content.<k>/h.<t>` of every t that is injected; `mask.<k>` [1, H, W] of masked contents; of omega
 *  regions `omega.masks` [K, side, side] and `omega.values` [K]; `noise.<k>`. Kept: `x`, the pictures. */
export function planInject(net: UNet, options: InjectPlanOptions): RunPlan {
  const { model, samples, variants, original, contents, tap, omegaRegions, labels, givenNoise, mutate } = options;
  const { schedule = DDPM_SCHEDULE, mixShader } = options;
  const x = net.graph.inputs.x!.shape;
  const [batch, ...picture] = x as [number, ...number[]];
  const { times, info } = contents[0]!;
  const planned = injectSteps(samples, times, schedule);
  const { solver, method } = samples[0]!.parameters;
  const memory: Memory | undefined = method === "bdia" ? "path" : solver === "ddim" ? undefined : "prediction";
  const maps = method === "edit-friendly";
  const steps = mutate?.(planned) ?? planned;
  const spec = {
    tap,
    contents,
    omegaRegions,
    givenNoise: maps || givenNoise !== undefined,
    memory,
    ...(mixShader && { mixShader }),
  };
  const make: Record<StepKind, () => StepGraph> = {
    plain: () => plainStep(net, { givenNoise: spec.givenNoise, memory }),
    injected: () => injectedStep(net, spec, info.h),
    calibrated: () => calibratedStep(net, spec, info.h),
  };
  const used = (["plain", "injected", "calibrated"] as const).filter((kind) => steps.some((s) => s.graph === kind));
  const graphs = Object.fromEntries(used.map((kind) => [kind, make[kind]()]));

  const given: Record<string, readonly number[]> = {};
  const sampleOf = ({ samples: of }: Bank) =>
    Array.from({ length: batch }, (_, n) => of[of.length === 1 ? 0 : Math.floor(n / variants)]!);
  const inject = ({ t, bankTime }: InjectStep): Move[] =>
    contents.map((content, k) => {
      const time = content.direction ? nearestTime(content.times, t) : bankTime;
      if (!content.times.includes(time))
        throw new UserError(
          `a content was inverted with other time steps (no h at t = ${bankTime}); invert all contents alike`,
        );
      const from = GIVEN.h(k, time);
      given[from] = [content.info.sources.length, ...info.h];
      return { from, to: TENSOR.content(k), samples: sampleOf(content) };
    });
  const ofOriginal = [original.info.sources.length, ...picture];
  const fromOriginal = (from: string, to: string): Move => {
    given[from] = ofOriginal;
    return { from, to, samples: sampleOf(original) };
  };
  const noise = (k: number): Move[] => {
    if (maps) return [fromOriginal(GIVEN.z(steps[k]!.t), TENSOR.noise)];
    if (!givenNoise?.(k)) return [];
    given[GIVEN.noise(k)] = x;
    return [{ from: GIVEN.noise(k), to: TENSOR.noise }];
  };
  const plan = steps.map((step, k) => ({
    graph: step.graph,
    t: step.t,
    samples: step.samples,
    before: [
      ...(k === 0 ? [fromOriginal(GIVEN.xT, "x")] : []),
      ...(k === 0 && memory === "path" ? [fromOriginal(GIVEN.rest, TENSOR.back)] : []),
      ...(step.graph === "plain" ? [] : inject(step)),
      ...noise(k),
    ],
    after: [{ from: TENSOR.next, to: "x" }, ...carried(memory)],
  }));
  const regions = [
    ...contents.flatMap(({ masked }, k) => (masked ? [TENSOR.mask(k)] : [])),
    ...(omegaRegions > 0 ? [TENSOR.omegaMasks, TENSOR.omegas] : []),
  ];
  for (const name of regions)
    for (const { inputs } of Object.values(graphs)) if (inputs[name]) given[name] = inputs[name].shape;
  return {
    phase: "generate",
    model,
    schedule,
    precision: samples[0]!.parameters.faithful ? "f32" : "f64",
    graphs,
    ...(labels && { labels }),
    given,
    kept: { x },
    state: ["x", ...carried(memory).map(({ to }) => to)],
    steps: plan,
  };
}

/** Steps of a generation. All samples share the time steps; where one is injected and another is not, the graph is the
 *  injected one and the other's gammas are 0, which leaves it unchanged to the bit. */
export function injectSteps(
  samples: readonly SampleRun[],
  bankTimes: readonly number[],
  schedule: Schedule = DDPM_SCHEDULE,
): InjectStep[] {
  const { steps, top, spacing, method } = samples[0]!.parameters;
  const down = generationSteps(spacedBy(spacing, steps, topTime(top, schedule), schedule));
  const pairs = isExact(method) ? down.slice(0, -1) : down; // t = 0 is the picture itself then
  const rows = samples.map((sample, stream) => sampleSteps(sample, pairs, stream, schedule));
  return pairs.map(({ t }, k) => {
    const row = rows.map((of) => of[k]!);
    const graph: StepKind = row.some((p) => p.graph === "calibrated")
      ? "calibrated"
      : row.some((p) => p.graph === "injected")
        ? "injected"
        : "plain";
    return { graph, t, samples: row.map((p) => p.step), bankTime: nearestTime(bankTimes, t) };
  });
}

interface Pair {
  readonly t: number;
  readonly next: number;
}

/** The steps of one sample. */
function sampleSteps(
  { parameters: p, gammas, rules }: SampleRun,
  pairs: readonly Pair[],
  stream: number,
  of: Schedule,
) {
  const [tEdit, tBoost, dtEnd] = [p.tEdit, p.tBoost, p.dtEnd].map((v) => onScale(v, of)) as [number, number, number];
  const replacedTimes =
    p.replaceSteps === undefined ? undefined : new Set(spacedBy(p.spacing, p.replaceSteps, topTime(p.top, of), of));
  const replaced = ({ t }: Pair) => replacedTimes?.has(t) ?? true;
  const injectsAny = gammas.some((g) => typeof g === "function" || g !== 0);
  const injects = (pair: Pair) => replaced(pair) && pair.t >= tEdit && injectsAny;
  const [first, last] = [pairs.findIndex(injects), pairs.findLastIndex(injects)];
  const position = (k: number) => (last > first ? (k - first) / (last - first) : 0.5);
  const calibrates = p.omega !== "off" && (p.omega > 0 || !p.faithful);
  const kindOf = (pair: Pair): StepKind => (!injects(pair) ? "plain" : calibrates ? "calibrated" : "injected");
  const from = lastTimes(p.solver, pairs, of);
  // The first step goes on from the rest that the inversion kept.
  const backAt = (k: number) => (k === 0 ? { weight: 1 } : { t: pairs[k - 1]!.t, weight: BDIA_SHARE });
  return pairs.map((pair, draw): { graph: StepKind; step: Step } => {
    const { t, next } = pair;
    const graph = kindOf(pair);
    const injected = graph !== "plain";
    // Between an edited and a plain prediction lies the edit itself, which must not be extrapolated.
    const last = draw > 0 && kindOf(pairs[draw - 1]!) === graph ? from[draw] : undefined;
    // The official program runs injected steps at t <= t_noise with eta 1, the others without noise.
    const maps = p.method === "edit-friendly"; // brings the noise of every step
    const boosted = !maps && t <= tBoost && (replaced(pair) || !p.faithful);
    // With calibration on, the official program forgets lambda.
    const forgotten = p.faithful && p.omega !== "off" && p.omega > 0;
    return {
      graph,
      step: {
        t,
        next,
        ...(last !== undefined && { last }),
        ...(p.method === "bdia" && !boosted && { back: backAt(draw) }),
        eta: boosted || maps ? 1 : 0,
        dtLambda: !maps && replaced(pair) && t >= dtEnd && !forgotten ? p.dtLambda : 1,
        gammas: gammas.map((g) => (injected ? gammaAt(g, position(draw)) : 0)),
        rules,
        omega: p.omega === "off" ? 0 : p.omega,
        rescale: p.rescale,
        seed: p.seed,
        stream,
        draw,
      },
    };
  });
}

/** @throws UserError where a function gives a share that is none */
function gammaAt(gamma: Gamma, u: number): number {
  if (typeof gamma === "number") return gamma;
  const share = gamma(u);
  if (!(share >= 0 && share <= 1)) throw new UserError(`gamma(${u}) gave ${share}: expected a number from 0 to 1`);
  return share;
}
