import { DDPM_SCHEDULE, inversionSteps, type Schedule, timeSteps, topTime } from "../model/schedule";
import type { UNet } from "../model/unet";
import type { Move, RunPlan } from "./plan";
import { plainStep, TENSOR } from "./step-graphs";

/** Everything an inversion is decided by. */
export interface InvertPlanOptions {
  /** hash of the network's weights */
  readonly model: string;
  readonly steps: number;
  readonly top: number;
  readonly faithful: boolean;
  /** tensor whose values are kept at every step, and its [C, H, W] */
  readonly tap: string;
  readonly shape: readonly [number, number, number];
  readonly labels?: readonly number[] | undefined;
  readonly schedule?: Schedule;
}

/** Pairs (t, next) of an inversion up to `top` on the scale of 1000. The top time step is evaluated too, for its h (the step leads to itself); the official
 *  program leaves it out of the bank, and so does `faithful`. */
export function inversionPairs(
  steps: number,
  top: number,
  faithful: boolean,
  schedule: Schedule = DDPM_SCHEDULE,
): { t: number; next: number }[] {
  const last = topTime(top, schedule);
  return [...inversionSteps(timeSteps(steps, last)), ...(faithful ? [] : [{ t: last, next: last }])];
}

/** Time steps of which an inversion keeps h, ascending. */
export const inversionTimes = (steps: number, top: number, faithful: boolean, schedule?: Schedule): number[] =>
  inversionPairs(steps, top, faithful, schedule).map(({ t }) => t);

/** DDIM inversion: x_T and h of every step from the pictures.   Song et al. 2021
 *  Given: `images` f32 [N, 3, side, side]. Kept: `x_T`, and `h.<t>` f32 [N, C, H, W] of every t. */
export function planInvert(net: UNet, options: InvertPlanOptions): RunPlan {
  const { model, steps, top, faithful, tap, shape, labels, schedule = DDPM_SCHEDULE } = options;
  const x = net.graph.inputs.x!.shape;
  const batch = x[0]!;
  const pairs = inversionPairs(steps, top, faithful, schedule);
  const last = pairs.findLastIndex(({ t, next }) => t !== next);
  return {
    phase: "invert",
    model,
    schedule,
    precision: faithful ? "f32" : "f64",
    graphs: { plain: plainStep(net, { keep: [tap] }) },
    ...(labels && { labels }),
    given: { images: x },
    kept: { x_T: x, ...Object.fromEntries(pairs.map(({ t }) => [`h.${t}`, [batch, ...shape]])) },
    state: ["x"],
    steps: pairs.map(({ t, next }, draw) => ({
      graph: "plain",
      t,
      samples: Array.from({ length: batch }, () => ({ t, next, draw })),
      before: draw === 0 ? [{ from: "images", to: "x" }] : [],
      after: [
        { from: tap, to: `h.${t}` },
        { from: TENSOR.next, to: "x" },
        ...(draw === last ? [{ from: TENSOR.next, to: "x_T" } satisfies Move] : []),
      ],
    })),
  };
}
