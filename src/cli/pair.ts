import { type Command, Option } from "commander";
import type { Pixels } from "../api";
import { type ScheduleName, scheduleGamma, schedules } from "../experiments/gamma-schedule";
import type { Inversion } from "../inject/inversion";
import { decodeImage, decodeMask } from "../platform/images-node";
import { type Session, stepsTo } from "./context";
import type { Chosen } from "./inject-parameters";
import { checkMask } from "./masks";

/** The options by which experiments on one pair name it. */
export interface PairOptions {
  readonly content: string;
  readonly original: string;
  readonly mask?: string;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
}

export function withPairOptions(command: Command): Command {
  command
    .requiredOption("--content <file>", "picture whose shape is injected")
    .requiredOption("--original <file>", "picture that keeps its colours and texture")
    .option("--mask <file>", "where the content acts: white does, black does not");
  return withBeyondOptions(command);
}

/** What goes beyond the paper. */
export function withBeyondOptions(command: Command): Command {
  return command
    .option("--tap <tensor>", "inject after this tensor of the network, instead of the bottleneck (see info --graph)")
    .addOption(
      new Option("--gamma-schedule <name>", "how gamma changes over t")
        .choices(Object.keys(schedules))
        .default("constant"),
    );
}

/** Reads both pictures and the mask, before any device is opened. */
export async function readPair(options: PairOptions) {
  const [content, original] = [await decodeImage(options.content), await decodeImage(options.original)];
  const mask = options.mask === undefined ? undefined : await decodeMask(options.mask);
  if (mask) checkMask(mask, original, options.mask!);
  return { content, original, mask };
}

export type ReadPair = Awaited<ReturnType<typeof readPair>>;

/** Inverts both, and gathers what every run on the pair has in common. */
export async function invertPair(
  { model, talk, signal }: Session,
  pair: ReadPair,
  options: PairOptions,
  chosen: Chosen,
) {
  const { tap } = options;
  const { faithful, top } = chosen.parameters;
  const both = await talk.phase("invert", (report) =>
    model.invert([pair.content, pair.original], {
      steps: chosen.stepsInversion,
      faithful,
      top,
      ...(tap && { tap }),
      signal,
      onStep: stepsTo(report),
    }),
  );
  const [content, original]: [Inversion, Inversion] = [both.select(0), both.select(1)];
  const [contentPixels, originalPixels] = (await both.toPixels()) as [Pixels, Pixels];
  const run = {
    ...chosen.parameters,
    content,
    original,
    ...(pair.mask && { mask: pair.mask }),
    ...(tap && { tap }),
    mutate: scheduleGamma(options.gammaSchedule),
    signal,
  };
  return { run, contentPixels, originalPixels };
}
