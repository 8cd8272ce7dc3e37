import { DDPM_SCHEDULE, type Schedule, samplingSteps } from "../model/schedule";
import type { UNet } from "../model/unet";
import type { StepGraph } from "./ops";
import type { PlannedStep, RunPlan } from "./plan";
import { plainStep, TENSOR } from "./step-graphs";

/** Draw of the noise that a sample starts from: no step of a run has it. */
const FIRST_DRAW = 0xffffffff;

export interface SamplePlanOptions {
  readonly model: string;
  readonly steps: number;
  readonly seed: number;
  readonly eta: number;
  /** number of each sample: the noise of a seed is the same in any batch */
  readonly streams: readonly number[];
  readonly labels?: readonly number[] | undefined;
  readonly schedule?: Schedule;
}

/** Generation from seeded noise, which a first step draws, at the time steps of the model's scheduler. Kept: `x`, the
 *  pictures. */
export function planSample(net: UNet, options: SamplePlanOptions): RunPlan {
  const { model, seed, eta, streams, labels, schedule = DDPM_SCHEDULE } = options;
  const start: StepGraph = {
    inputs: net.graph.inputs,
    nodes: [{ name: "x_T", op: { kind: "gaussian" }, inputs: { steps: "steps", like: "x" }, output: TENSOR.next }],
    outputs: [TENSOR.next],
  };
  const pairs = samplingSteps(options.steps, schedule);
  const clean = schedule.finalAlphaOne ? "one" : "first";
  const after = [{ from: TENSOR.next, to: "x" }];
  const step = (graph: string, t: number, samples: PlannedStep["samples"]): PlannedStep => ({
    graph,
    t,
    samples,
    before: [],
    after,
  });
  const first = pairs[0]!;
  return {
    phase: "generate",
    model,
    schedule,
    precision: "f64",
    graphs: { start, plain: plainStep(net) },
    ...(labels && { labels }),
    given: {},
    kept: { x: net.graph.inputs.x!.shape },
    state: ["x"],
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
          streams.map((stream) => ({ t, next, clean, clip: schedule.clip, eta, seed, stream, draw })),
        ),
      ),
    ],
  };
}
