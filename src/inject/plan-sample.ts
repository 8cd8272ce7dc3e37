import { DDPM_SCHEDULE, lastTimes, multistepPairs, type Schedule, type Solver, samplingSteps } from "../model/schedule";
import type { UNet } from "../model/unet";
import type { StepGraph } from "./ops";
import type { PlannedStep, RunPlan } from "./plan";
import { carried, type Memory, plainStep, TENSOR } from "./step-graphs";

/** Draw of the noise that a sample starts from: no step of a run has it. */
const FIRST_DRAW = 0xffffffff;

export interface SamplePlanOptions {
  readonly model: string;
  readonly steps: number;
  readonly seed: number;
  readonly eta: number;
  /** default: ddim */
  readonly solver?: Solver | undefined;
  /** number of each sample: the noise of a seed is the same in any batch */
  readonly streams: readonly number[];
  readonly labels?: readonly number[] | undefined;
  readonly schedule?: Schedule;
}

/** Generation from seeded noise, which a first step draws, at the time steps of the model's scheduler; those of diffusers'
 *  DPMSolverMultistepScheduler for "dpm++2m", which clamps nothing either. Kept: `x`, the pictures. */
export function planSample(net: UNet, options: SamplePlanOptions): RunPlan {
  const { model, seed, eta, solver = "ddim", streams, labels, schedule = DDPM_SCHEDULE } = options;
  const start: StepGraph = {
    inputs: net.graph.inputs,
    nodes: [{ name: "x_T", op: { kind: "gaussian" }, inputs: { steps: "steps", like: "x" }, output: TENSOR.next }],
    outputs: [TENSOR.next],
  };
  const multistep = solver !== "ddim";
  const memory: Memory | undefined = multistep ? "prediction" : undefined;
  const pairs = (multistep ? multistepPairs : samplingSteps)(options.steps, schedule);
  const from = lastTimes(solver, pairs, schedule, schedule.finalAlphaOne);
  const clip = multistep ? 0 : schedule.clip;
  const clean = schedule.finalAlphaOne ? "one" : "first";
  const rederive = schedule.rederive ?? false;
  const after = [{ from: TENSOR.next, to: "x" }];
  const step = (graph: string, t: number, samples: PlannedStep["samples"]): PlannedStep => ({
    graph,
    t,
    samples,
    before: [],
    after: graph === "start" ? after : [...after, ...carried(memory)],
  });
  const extrapolated = (k: number) => (from[k] === undefined ? {} : { last: from[k] });
  const first = pairs[0]!;
  return {
    phase: "generate",
    model,
    schedule,
    precision: "f64",
    graphs: { start, plain: plainStep(net, { memory }) },
    ...(labels && { labels }),
    given: {},
    kept: { x: net.graph.inputs.x!.shape },
    state: ["x", ...carried(memory).map(({ to }) => to)],
    steps: [
      step(
        "start",
        first.t,
        streams.map((stream) => ({ ...first, seed, stream, draw: FIRST_DRAW })),
      ),
      ...pairs.map(({ t, next }, draw) =>
        step(
          "plain",
          t,
          streams.map((stream) => ({ ...extrapolated(draw), t, next, clean, clip, rederive, eta, seed, stream, draw })),
        ),
      ),
    ],
  };
}
