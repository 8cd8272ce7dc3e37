import type { InjectParameters, Pixels } from "../api";
import { figuresOf } from "../experiments/evaluate";
import { type ScheduleName, scheduleGamma, schedules } from "../experiments/gamma-schedule";
import { withHooks } from "../inject/hooks";
import type { Model } from "../inject/model";
import { resolveParameters } from "../inject/parameters";
import type { Session } from "./context";
import type { Chosen } from "./inject-parameters";
import { invertPair, type PairOptions, type ReadPair, runPair } from "./pair";

/** Axes along which `compare` may vary a pair, besides mixing rules. */
export const AXES = ["taps", "schedules", "methods"] as const;
export type Axis = (typeof AXES)[number];

/** Shares of the content that every row shows. Of a method 0 shows whether the original comes back. */
const gammasOf = (axis: Axis): readonly number[] => (axis === "methods" ? [0, 0.3, 0.6] : [0.2, 0.4, 0.6]);

/** Ways to noise and back; the last one with two seeds, for it draws noise. */
const methodsOf = ({ seed }: InjectParameters): Readonly<Record<string, Partial<InjectParameters>>> => ({
  ddim: { solver: "ddim", method: "ddim" },
  "dpm++2m": { solver: "dpm++2m", method: "ddim" },
  bdia: { solver: "ddim", method: "bdia" },
  [`edit-friendly seed ${seed}`]: { solver: "ddim", method: "edit-friendly" },
  [`edit-friendly seed ${seed + 1}`]: { solver: "ddim", method: "edit-friendly", seed: seed + 1 },
});

/** One generated picture of a comparison with its figures. */
export interface Cell {
  readonly row: string;
  readonly gamma: number;
  readonly pixels: Pixels;
  /** where the edges lie between the original's (0) and the content's (1) */
  readonly towardContent: number;
  /** distance of the colours from the original's, in bytes */
  readonly paletteOriginal: number;
}

/** One pair injected at several taps, under several gamma schedules, or by several methods, at three gammas each, measured. */
export async function compareAlong(
  session: Session,
  axis: Axis,
  pair: ReadPair,
  options: PairOptions & { readonly batch: number; readonly taps?: readonly string[] },
  chosen: Chosen,
): Promise<{ original: Pixels; content: Pixels; rows: string[]; cells: Cell[] }> {
  const methods = methodsOf(chosen.parameters);
  const named = { schedules, methods };
  const rows = axis === "taps" ? [...(options.taps ?? usualTaps(session.model))] : Object.keys(named[axis]);
  const gammas = gammasOf(axis);
  const cells: Cell[] = [];
  // Another tap keeps another tensor, and another method takes another way, so the pair is inverted again; a schedule changes
  // the generation only.
  const invertFor = (row: string) =>
    invertPair(
      session,
      pair,
      axis === "taps" ? { ...options, tap: row } : options,
      axis === "methods" ? byMethod(chosen, methods[row]!) : chosen,
    );
  let shared: Awaited<ReturnType<typeof invertPair>> | undefined;
  try {
    for (const row of rows) {
      if (axis !== "schedules") shared?.inverted.dispose();
      if (axis !== "schedules" || !shared) shared = await invertFor(row);
      const { run, originalPixels: original, contentPixels: content } = shared;
      const hooks = axis === "schedules" ? { mutate: scheduleGamma(row as ScheduleName) } : {};
      const variants = gammas.map((gamma) => ({ gamma }));
      const pictures = await runPair(session, "compare", variants, { ...withHooks(run, hooks), batch: options.batch });
      pictures.forEach((pixels, k) => {
        const { towardContent, paletteOriginal } = figuresOf({ name: row, result: pixels, original, content });
        cells.push({ row, gamma: gammas[k]!, pixels, towardContent, paletteOriginal });
      });
    }
    return { original: shared!.originalPixels, content: shared!.contentPixels, rows, cells };
  } finally {
    shared?.inverted.dispose();
  }
}

/** The same parameters by another method, with the spacing that it has of itself. */
function byMethod(chosen: Chosen, method: Partial<InjectParameters>): Chosen {
  const parameters = resolveParameters({ ...chosen.parameters, ...method, spacing: undefined });
  return { ...chosen, parameters, stepsInversion: parameters.stepsInversion };
}

/** The middle of the network, h among it, and the first decoder block of every level. */
function usualTaps(model: Model): string[] {
  const { graph, h } = model.network.unet(1);
  const names = new Set(graph.nodes.map((node) => node.output));
  const levels = [3, 2, 1, 0].map((level) => `up.${level}.block.0`);
  return ["mid.block_1", h, ...levels].filter((name, i, all) => names.has(name) && all.indexOf(name) === i);
}
