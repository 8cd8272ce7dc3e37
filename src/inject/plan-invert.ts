import {
  DDPM_SCHEDULE,
  inversionSteps,
  lastTimes,
  type Schedule,
  type Solver,
  type Spacing,
  spacedBy,
  topTime,
} from "../model/schedule";
import type { UNet } from "../model/unet";
import type { Move, RunPlan } from "./plan";
import { plainStep, TENSOR } from "./step-graphs";

/** What decides the time steps of an inversion. */
export interface InversionTimes {
  readonly steps: number;
  /** on the scale of 1000 */
  readonly top: number;
  readonly faithful: boolean;
  /** default: time */
  readonly spacing?: Spacing | undefined;
}

/** Everything an inversion is decided by. */
export interface InvertPlanOptions extends InversionTimes {
  /** hash of the network's weights */
  readonly model: string;
  /** default: ddim */
  readonly solver?: Solver | undefined;
  /** tensor whose values are kept at every step, and its [C, H, W] */
  readonly tap: string;
  readonly shape: readonly [number, number, number];
  readonly labels?: readonly number[] | undefined;
  readonly schedule?: Schedule;
}

/** Pairs (t, next) of an inversion. The top time step is evaluated too, for its h (the step leads to itself); the official
 *  program leaves it out of the bank, and so does `faithful`. */
export function inversionPairs(
  { steps, top, faithful, spacing = "time" }: InversionTimes,
  schedule: Schedule = DDPM_SCHEDULE,
): { t: number; next: number }[] {
  const last = topTime(top, schedule);
  const times = spacedBy(spacing, steps, last, schedule);
  return [...inversionSteps(times), ...(faithful ? [] : [{ t: last, next: last }])];
}

/** Time steps of which an inversion keeps h, ascending. */
export const inversionTimes = (asked: InversionTimes, schedule?: Schedule): number[] =>
  inversionPairs(asked, schedule).map(({ t }) => t);

/** Inversion by DDIM or DPM-Solver++(2M) upwards: x_T and h of every step from the pictures.
 *  Song et al. 2021; Lu et al. 2022
 *  Given: `images` f32 [N, 3, side, side]. Kept: `x_T`, and `h.<t>` f32 [N, C, H, W] of every t. */
export function planInvert(net: UNet, options: InvertPlanOptions): RunPlan {
  const { model, faithful, solver = "ddim", tap, shape, labels, schedule = DDPM_SCHEDULE } = options;
  const x = net.graph.inputs.x!.shape;
  const batch = x[0]!;
  const pairs = inversionPairs(options, schedule);
  const multistep = solver !== "ddim";
  const from = lastTimes(solver, pairs, schedule);
  const last = pairs.findLastIndex(({ t, next }) => t !== next);
  return {
    phase: "invert",
    model,
    schedule,
    precision: faithful ? "f32" : "f64",
    graphs: { plain: plainStep(net, { keep: [tap], multistep }) },
    ...(labels && { labels }),
    given: { images: x },
    kept: { x_T: x, ...Object.fromEntries(pairs.map(({ t }) => [`h.${t}`, [batch, ...shape]])) },
    state: ["x", ...(multistep ? [TENSOR.before] : [])],
    steps: pairs.map(({ t, next }, draw) => ({
      graph: "plain",
      t,
      samples: Array.from({ length: batch }, () => ({
        t,
        next,
        ...(from[draw] !== undefined && { last: from[draw] }),
        draw,
      })),
      before: draw === 0 ? [{ from: "images", to: "x" }] : [],
      after: [
        { from: tap, to: `h.${t}` },
        { from: TENSOR.next, to: "x" },
        ...(multistep ? [{ from: TENSOR.x0, to: TENSOR.before }] : []),
        ...(draw === last ? [{ from: TENSOR.next, to: "x_T" } satisfies Move] : []),
      ],
    })),
  };
}
