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
import { BDIA_SHARE, type InversionMethod } from "./methods";
import type { Move, RunPlan } from "./plan";
import { carried, editFriendlyStep, type Memory, plainStep, TENSOR } from "./step-graphs";
import type { Step } from "./step-table";

/** Options that decide the time steps of an inversion. */
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
  readonly method?: InversionMethod;
  readonly solver?: Solver | undefined;
  /** of the noise that edit-friendly inversion draws: the same for every picture, so that none depends on its batch */
  readonly seed?: number;
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

/** Time steps of which an inversion keeps h, ascending. The run back from edit-friendly inversion ends at t = 0, the picture,
 *  so that the network is never evaluated there. */
export const inversionTimes = (
  asked: InversionTimes & { readonly method?: InversionMethod },
  schedule?: Schedule,
): number[] =>
  inversionPairs(asked, schedule)
    .map(({ t }) => t)
    .slice(asked.method === "edit-friendly" ? 1 : 0);

/** Inversion: x_T and h of every step from the pictures.
 *  "ddim": DDIM or DPM-Solver++(2M) upwards.   Song et al. 2021; Lu et al. 2022
 *  "bdia": every step also adds by how far a DDIM step back would miss where it came from, so that the run back retraces it.
 *  Zhang, Lewis & Kleijn 2023. Kept besides: `rest`, that of the top, from which the run back begins.
 *  "edit-friendly": noise of its own at every t, and of every t the noise z with which a DDPM step leads to the next lower
 *  one. Huberman-Spiegelglas, Kulikov & Michaeli 2024. Kept besides: `z.<t>`.
 *  Given: `images` f32 [N, 3, side, side]. Kept: `x_T`, and `h.<t>` f32 [N, C, H, W] of every t. */
export function planInvert(net: UNet, options: InvertPlanOptions): RunPlan {
  return options.method === "edit-friendly" ? planEditFriendly(net, options) : planUpwards(net, options);
}

function planUpwards(net: UNet, options: InvertPlanOptions): RunPlan {
  const { model, faithful, solver = "ddim", tap, shape, labels, schedule = DDPM_SCHEDULE } = options;
  const x = net.graph.inputs.x!.shape;
  const batch = x[0]!;
  const pairs = inversionPairs(options, schedule);
  const bdia = options.method === "bdia";
  const memory: Memory | undefined = bdia ? "path" : solver === "ddim" ? undefined : "prediction";
  const from = lastTimes(solver, pairs, schedule);
  const stepAt = (k: number): Step => {
    const { t, next } = pairs[k]!;
    const back = bdia && k > 0 ? { t: pairs[k - 1]!.t, weight: t === next ? 0 : 1 / BDIA_SHARE } : undefined;
    return { t, next, ...(from[k] !== undefined && { last: from[k] }), ...(back && { back }), draw: k };
  };
  const last = pairs.findLastIndex(({ t, next }) => t !== next);
  return {
    phase: "invert",
    model,
    schedule,
    precision: faithful ? "f32" : "f64",
    graphs: { plain: plainStep(net, { keep: [tap], memory }) },
    ...(labels && { labels }),
    given: { images: x },
    kept: {
      x_T: x,
      ...(bdia && { rest: x }),
      ...Object.fromEntries(pairs.map(({ t }) => [`h.${t}`, [batch, ...shape]])),
    },
    state: ["x", ...carried(memory).map(({ to }) => to)],
    steps: pairs.map(({ t }, draw) => ({
      graph: "plain",
      t,
      samples: Array.from({ length: batch }, () => stepAt(draw)),
      before: draw === 0 ? [{ from: "images", to: "x" }] : [],
      after: [
        { from: tap, to: `h.${t}` },
        { from: TENSOR.next, to: "x" },
        ...carried(memory),
        ...(draw === last ? [{ from: TENSOR.next, to: "x_T" } satisfies Move] : []),
        ...(bdia && draw === pairs.length - 1 ? [{ from: TENSOR.rest, to: "rest" } satisfies Move] : []),
      ],
    })),
  };
}

function planEditFriendly(net: UNet, options: InvertPlanOptions): RunPlan {
  const { model, faithful, seed = 0, tap, shape, labels, schedule = DDPM_SCHEDULE } = options;
  const x = net.graph.inputs.x!.shape;
  const batch = x[0]!;
  const times = inversionPairs(options, schedule).map(({ t }) => t);
  const noisy = times.slice(1);
  return {
    phase: "invert",
    model,
    schedule,
    precision: faithful ? "f32" : "f64",
    graphs: { drawn: editFriendlyStep(net, [tap]) },
    ...(labels && { labels }),
    given: { images: x },
    kept: {
      x_T: x,
      ...Object.fromEntries(noisy.map((t) => [`z.${t}`, x])),
      ...Object.fromEntries(noisy.map((t) => [`h.${t}`, [batch, ...shape]])),
    },
    state: ["x"],
    steps: noisy.map((t, draw) => ({
      graph: "drawn",
      t,
      samples: Array.from({ length: batch }, () => ({
        t,
        next: times[draw]!,
        solvesNoise: true,
        eta: 1,
        seed,
        stream: 0,
        draw,
      })),
      before: draw === 0 ? [{ from: "images", to: "x" }] : [],
      after: [
        { from: tap, to: `h.${t}` },
        { from: TENSOR.next, to: `z.${t}` },
        { from: TENSOR.drawn, to: "x" },
        ...(draw === noisy.length - 1 ? [{ from: TENSOR.drawn, to: "x_T" } satisfies Move] : []),
      ],
    })),
  };
}
