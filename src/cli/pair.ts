import { type Command, Option } from "commander";
import type { Pixels } from "../api";
import { type ScheduleName, scheduleGamma, schedules } from "../experiments/gamma-schedule";
import { runVariants, type Variant } from "../experiments/sweep";
import { withHooks } from "../inject/hooks";
import type { Inversion } from "../inject/inversion";
import { inversionOf } from "../inject/inversion-options";
import type { InjectOptions } from "../inject/options";
import { COMPILING, type Session, stepsTo } from "./context";
import { noteUnfamiliar } from "./familiar";
import type { Chosen } from "./inject-parameters";
import { isPlaced, type PlacementOptions, type Placing, pictureKey, placeAll, withPlacementOptions } from "./placement";
import { nameOf } from "./provenance";
import { inputFiles, readMask, readPicture } from "./read-picture";
import type { Reporter } from "./reporter";

/** Options that name the pair of an experiment. */
export interface PairOptions extends PlacementOptions {
  readonly content: string;
  readonly original: string;
  readonly mask?: string;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
}

export function withPairOptions(command: Command): Command {
  command
    .optionsGroup("Pictures (files, - for stdin, or addresses; centre square used unless placed):")
    .requiredOption("--content <file>", "picture that gives its shape")
    .requiredOption("--original <file>", "picture that is changed: it keeps its colours and texture")
    .option("--mask <file>", "where the content acts: white does, black does not");
  return withTapOptions(withPlacementOptions(command, ["content", "original"]));
}

/** Adds where to inject, and how gamma changes over t. */
export function withTapOptions(command: Command): Command {
  return command
    .optionsGroup("Beyond the paper:")
    .option("--tap <tensor>", "inject after this tensor of the network, not the bottleneck (see info --graph)")
    .addOption(
      new Option("--gamma-schedule <name>", "change of gamma over t")
        .choices(Object.keys(schedules))
        .default("constant"),
    );
}

/** Reads both pictures and the mask, before any device is opened. */
export async function readPair(options: PairOptions, reporter: Reporter) {
  const read = async (flag: "content" | "original") => {
    const [key, file] = [pictureKey(flag), options[flag]];
    const pixels = await readPicture({ flag: `--${flag}`, file }, reporter, isPlaced(key, options));
    return { key, name: nameOf(file), pixels };
  };
  const pictures = [await read("content"), await read("original")] as const;
  const mask =
    options.mask === undefined ? undefined : await readMask({ flag: "--mask", file: options.mask }, pictures[1].pixels);
  const [content, original] = (await placeAll(pictures, options, reporter)) as [Placing, Placing];
  return { content, original, mask };
}

/** The files of a pair, which no command may overwrite. */
export const pairFiles = ({ content, original, mask, model }: PairOptions & { readonly model?: string }) =>
  inputFiles(
    ["--content", content],
    ["--original", original],
    ["--mask", mask === "official" ? undefined : mask],
    ["--model", model],
  );

export type ReadPair = Awaited<ReturnType<typeof readPair>>;

/** Inverts both pictures, and gathers the options that every run on the pair shares. */
export async function invertPair(
  { model, reporter, signal }: Session,
  pair: ReadPair,
  options: PairOptions,
  chosen: Chosen,
) {
  const { tap } = options;
  const both = await reporter.phase(
    "invert",
    (report) =>
      model.invert([pair.content, pair.original], {
        ...inversionOf(chosen.parameters),
        ...(tap && { tap }),
        signal,
        onStep: stepsTo(report),
      }),
    COMPILING,
  );
  await noteUnfamiliar(both, [options.content, options.original].map(nameOf), reporter);
  const [content, original]: [Inversion, Inversion] = [both.select(0), both.select(1)];
  const [contentPixels, originalPixels] = (await both.toPixels()) as [Pixels, Pixels];
  const plain = {
    ...chosen.parameters,
    content,
    original,
    ...(pair.mask && { mask: pair.mask }),
    ...(tap && { tap }),
    signal,
  };
  const run = withHooks(plain, { mutate: scheduleGamma(options.gammaSchedule) });
  return { run, inverted: both, contentPixels, originalPixels };
}

/** Runs variants of one injection in batches, with their progress. */
export function runPair(
  { model, reporter }: Session,
  phase: string,
  variants: readonly Variant[],
  run: InjectOptions & { readonly batch: number },
): Promise<Pixels[]> {
  const all = variants.length;
  return reporter.phase(phase, (report) =>
    runVariants(model, variants, { ...run, onShare: (share) => report(Math.round(share * all), all) }),
  );
}
