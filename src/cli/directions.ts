import { Command, Option } from "commander";
import type { InjectParameters, Pixels } from "../api";
import { DEFAULT_BATCH } from "../experiments/batches";
import { componentsOf, differenceOf, MOST_PICTURES } from "../experiments/directions";
import type { Directions } from "../inject/directions";
import { inversionOf } from "../inject/inversion-options";
import { writeWhole } from "../platform/files-node";
import {
  COMPILING,
  type CommonOptions,
  type Context,
  type Session,
  withCommonOptions,
  withExamples,
  withSession,
} from "./context";
import { UsageError } from "./failure";
import { readFolder } from "./folders";
import { chooseParameters, describe, type ParameterOptions, withParameterOptions } from "./inject-parameters";
import { drawSheet, type Tile } from "./picture/sheet";
import { provenance } from "./provenance";
import { Reporter } from "./reporter";
import { aligned } from "./table";
import { checkPngName, checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { integer } from "./values";

interface Options extends CommonOptions, ParameterOptions, TargetOptions {
  readonly with?: string;
  readonly without?: string;
  readonly images?: string;
  readonly samples?: number;
  readonly components: number;
  readonly tap?: string;
  readonly out: string;
  readonly sheet?: string;
  readonly batch: number;
}

/** `injectfusion directions`: directions in h, as a file for `inject --direction`. */
export function directions(context: Context): Command {
  const command = new Command("directions")
    .description("find directions in h: from pictures without something to pictures with it, or principal components")
    .optionsGroup("Pictures and results:")
    .option("--with <folder>", "pictures that have it; with --without: the difference of the means")
    .option("--without <folder>", "pictures that do not")
    .option("--images <folder>", "any pictures: their principal components")
    .addOption(
      new Option("--samples <n>", "the same of pictures drawn from noise (--seed)").argParser(
        integer(2, MOST_PICTURES),
      ),
    )
    .addOption(new Option("--components <n>", "how many components").argParser(integer(1, MOST_PICTURES)).default(5))
    .option("--tap <tensor>", "find them at this tensor instead of the bottleneck h")
    .requiredOption("--out <file>", "the directions, as safetensors")
    .option("--sheet <file.png>", "the first picture with each of the first directions, at several scales")
    .addOption(new Option("--batch <n>", "most pictures in a batch").argParser(integer(1, 256)).default(DEFAULT_BATCH));
  return withExamples(
    withCommonOptions(withParameterOptions(withReplaceOption(command))),
    "injectfusion directions --with glasses/ --without plain/ --out glasses.safetensors",
    "injectfusion directions --images portraits/ --components 5 --out pca.safetensors",
    "injectfusion inject --original b.png --direction pca.safetensors:2 --scale -3:3:7 --out sheet.png",
  ).action((options: Options) => run(context, options));
}

/** @throws UsageError unless one source of pictures is given */
function checkSource({ with: some, without, images, samples }: Options): void {
  const given = [some ?? without, images, samples].filter((source) => source !== undefined).length;
  if (given !== 1) throw new UsageError("give --with and --without, or --images, or --samples: one of these");
  if ((some === undefined) !== (without === undefined))
    throw new UsageError("a difference needs both: give --with FOLDER and --without FOLDER");
}

async function run(context: Context, options: Options): Promise<void> {
  checkSource(options);
  const reporter = new Reporter(context.terminal, options.quiet);
  const sheet = options.sheet ? [{ flag: "--sheet", file: options.sheet }] : [];
  for (const target of sheet) checkPngName(target);
  await checkTargets([{ flag: "--out", file: options.out }, ...sheet], [], options);
  const read = async (folder: string): Promise<Pixels[]> => {
    const all = await readFolder(folder);
    for (const { error } of all) if (error) context.terminal.stderr.write(`failed: ${error.message}\n`);
    return all.flatMap(({ pixels }) => (pixels ? [pixels] : []));
  };
  const [some, others, images] = await Promise.all(
    [options.with, options.without, options.images].map((folder) => (folder ? read(folder) : undefined)),
  );
  const { parameters } = chooseParameters(await context.engine(), options);
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, signal } = session;
      const pictures =
        some && others
          ? [...some, ...others]
          : (images ?? (await drawn(session, options.samples!, parameters, options)));
      const found = await reporter.phase(
        "invert",
        (report) => {
          const asked = {
            ...inversionOf(parameters),
            ...(options.tap && { tap: options.tap }),
            batch: options.batch,
            signal,
            onDone: (done: number) => report(Math.floor(done), pictures.length),
          };
          return some
            ? differenceOf(model, some, others!, asked)
            : componentsOf(model, pictures, options.components, asked);
        },
        COMPILING,
      );
      try {
        const bytes = await found.save();
        const shown = options.sheet && (await sheetOf(session, found, pictures[0]!, parameters));
        signal.throwIfAborted();
        await writeWhole(options.out, bytes);
        if (options.sheet && shown) await writeWhole(options.sheet, shown);
        return { out: options.out, ...found.info, count: found.count, times: found.times, seconds: reporter.seconds };
      } finally {
        found.dispose();
      }
    },
    reporter,
  );
  if (options.json) return reporter.result(JSON.stringify(report));
  const { explained, times } = report;
  if (explained) {
    const rows = times.map((t) => [t, ...explained[t]!]);
    for (const line of aligned(["t", ...rows[0]!.slice(1).map((_, k) => `component ${k + 1}`)], rows))
      reporter.say(line);
  }
  for (const { file } of [{ file: options.out }, ...sheet]) reporter.result(file);
}

/** Pictures from noise, in batches. */
async function drawn(
  { model, reporter, signal }: Session,
  count: number,
  { steps, solver, seed }: InjectParameters,
  { batch }: Options,
): Promise<Pixels[]> {
  return reporter.phase("sample", async (report) => {
    const all: Pixels[] = [];
    for (let first = 0; first < count; first += batch) {
      const size = Math.min(batch, count - first);
      using result = await model.sample({ count: size, first, steps, solver, seed, eta: 1, signal });
      all.push(...(await result.toPixels()));
      report(all.length, count);
    }
    return all;
  });
}

/** Scales of a sheet, and the most directions on it. */
const SCALES = [-3, -1.5, 0, 1.5, 3];
const MOST_ROWS = 8;

/** The first directions, each added to one picture at several scales. */
async function sheetOf(
  { model, reporter, signal }: Session,
  found: Directions,
  picture: Pixels,
  parameters: InjectParameters,
): Promise<Uint8Array> {
  const count = Math.min(found.count, MOST_ROWS);
  return reporter.phase("sheet", async (report) => {
    using original = await model.invert(picture, { ...inversionOf(parameters), signal });
    const rows: Tile[][] = [];
    for (let component = 0; component < count; component++) {
      const row: Tile[] = [];
      for (const scale of SCALES) {
        const directions = [{ of: found, component, scale }];
        using result = await model.inject({ ...parameters, original, directions, signal });
        row.push({ pixels: (await result.toPixels())[0]!, caption: `scale ${scale}` });
        report(component * SCALES.length + row.length, count * SCALES.length);
      }
      rows.push(row);
    }
    const rowLabels = rows.map((_, k) => (found.info.kind === "pca" ? `component ${k + 1}` : "with - without"));
    const text = provenance(model, "directions", { ...parameters, kind: found.info.kind, scales: SCALES });
    return drawSheet(
      { rows, rowLabels, footer: `${model.name}  ${describe(parameters, parameters.stepsInversion, { gamma: "" })}` },
      text,
    );
  });
}
