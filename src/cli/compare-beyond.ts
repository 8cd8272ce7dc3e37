import type { Pixels } from "../api";
import { figuresOf } from "../experiments/evaluate";
import { type ScheduleName, scheduleGamma, schedules } from "../experiments/gamma-schedule";
import { runVariants } from "../experiments/sweep";
import { withHooks } from "../inject/hooks";
import type { Model } from "../inject/model";
import type { Session } from "./context";
import type { Chosen } from "./inject-parameters";
import { invertPair, type PairOptions, type ReadPair } from "./pair";

/** Subjects that `compare` may set side by side besides mixing rules. */
export const BEYOND = ["taps", "schedules"] as const;
export type Beyond = (typeof BEYOND)[number];

/** Shares of the content that every row shows. */
const GAMMAS = [0.2, 0.4, 0.6];

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

/** One pair injected at several taps, or under several gamma schedules, at three gammas each, measured. */
export async function compareBeyond(
  session: Session,
  what: Beyond,
  pair: ReadPair,
  options: PairOptions & { readonly batch: number; readonly taps?: readonly string[] },
  chosen: Chosen,
): Promise<{ original: Pixels; content: Pixels; rows: string[]; cells: Cell[] }> {
  const rows = what === "taps" ? [...(options.taps ?? usualTaps(session.model))] : Object.keys(schedules);
  const cells: Cell[] = [];
  let shared: Awaited<ReturnType<typeof invertPair>> | undefined;
  for (const row of rows) {
    // Another tap keeps another tensor, so the pair is inverted again; a schedule changes the generation only.
    const inverted = what === "taps" ? await invertPair(session, pair, { ...options, tap: row }, chosen) : shared;
    shared = inverted ?? (await invertPair(session, pair, options, chosen));
    const { run, originalPixels: original, contentPixels: content } = shared;
    const hooks = what === "schedules" ? { mutate: scheduleGamma(row as ScheduleName) } : {};
    const pictures = await session.talk.phase("compare", (report) =>
      runVariants(
        session.model,
        GAMMAS.map((gamma) => ({ gamma })),
        { ...withHooks(run, hooks), batch: options.batch, onShare: (share) => report(Math.round(100 * share), 100) },
      ),
    );
    pictures.forEach((pixels, k) => {
      const { towardContent, paletteOriginal } = figuresOf({ name: row, result: pixels, original, content });
      cells.push({ row, gamma: GAMMAS[k]!, pixels, towardContent, paletteOriginal });
    });
    if (what === "taps") shared.inverted.dispose();
  }
  return { original: shared!.originalPixels, content: shared!.contentPixels, rows, cells };
}

/** The middle of the network, h among it, and the first decoder block of every level. */
function usualTaps(model: Model): string[] {
  const { graph, h } = model.network.unet(1);
  const names = new Set(graph.nodes.map((node) => node.output));
  const levels = [3, 2, 1, 0].map((level) => `up.${level}.block.0`);
  return ["mid.block_1", h, ...levels].filter((name, i, all) => names.has(name) && all.indexOf(name) === i);
}
