import { Command, Option } from "commander";
import type { Pixels } from "../api";
import { DEFAULT_BATCH } from "../experiments/batches";
import { componentsOf, differenceOf, MOST_PICTURES } from "../experiments/directions";
import { inversionOf } from "../inject/inversion-options";
import { writeWhole } from "../platform/files-node";
import { COMPILING, type CommonOptions, type Context, withCommonOptions, withExamples, withSession } from "./context";
import { UsageError } from "./failure";
import { readFolder } from "./folders";
import { chooseParameters, type ParameterOptions, withParameterOptions } from "./inject-parameters";
import { aligned } from "./table";
import { Talk } from "./talk";
import { checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { integer } from "./values";

interface Options extends CommonOptions, ParameterOptions, TargetOptions {
  readonly with?: string;
  readonly without?: string;
  readonly images?: string;
  readonly samples?: number;
  readonly components: number;
  readonly tap?: string;
  readonly out: string;
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
  const talk = new Talk(context.terminal, options.quiet);
  await checkTargets([{ flag: "--out", file: options.out }], [], options);
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
    async ({ model, signal }) => {
      const drawn = options.samples && (await sample(options.samples));
      async function sample(count: number): Promise<Pixels[]> {
        const { steps, solver, seed } = parameters;
        const all: Pixels[] = [];
        await talk.phase("sample", async (report) => {
          for (let first = 0; first < count; first += options.batch) {
            const size = Math.min(options.batch, count - first);
            using result = await model.sample({ count: size, first, steps, solver, seed, eta: 1, signal });
            all.push(...(await result.toPixels()));
            report(all.length, count);
          }
        });
        return all;
      }
      const pictures = images ?? (drawn || [...some!, ...others!]);
      const found = await talk.phase(
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
        signal.throwIfAborted();
        await writeWhole(options.out, bytes);
        return { out: options.out, ...found.info, count: found.count, times: found.times, seconds: talk.seconds };
      } finally {
        found.dispose();
      }
    },
    talk,
  );
  if (options.json) return talk.result(JSON.stringify(report));
  const { explained, times } = report;
  if (explained) {
    const rows = times.map((t) => [t, ...explained[t]!]);
    for (const line of aligned(["t", ...rows[0]!.slice(1).map((_, k) => `component ${k + 1}`)], rows)) talk.say(line);
  }
  talk.result(options.out);
}
