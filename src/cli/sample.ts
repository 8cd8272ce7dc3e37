import { Command, Option } from "commander";
import type { Pixels } from "../api";
import type { Solver } from "../model/schedule";
import { writeWhole } from "../platform/files-node";
import { writePng } from "../platform/images-node";
import {
  COMPILING,
  type CommonOptions,
  type Context,
  type Session,
  stepsTo,
  withCommonOptions,
  withExamples,
  withSession,
} from "./context";
import { drawSheet, enlargedSide } from "./picture/sheet";
import { provenance } from "./provenance";
import { inputFiles } from "./read-picture";
import { type Report, Reporter } from "./reporter";
import { checkPngName, checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { integer, seed, solverOption, steps, within } from "./values";

interface Options extends CommonOptions, TargetOptions {
  readonly count: number;
  readonly seed: number;
  readonly steps: number;
  readonly eta: number;
  readonly solver: Solver;
  readonly out: string;
}

/** Most samples in one batch: more gain nothing on the adapters measured and cost memory. */
const BATCH = 16;

/** `injectfusion sample`: pictures from noise. */
export function sample(context: Context): Command {
  const command = new Command("sample")
    .description("draw pictures from noise; more than one make a sheet")
    .optionsGroup("Samples:")
    .addOption(new Option("--count <n>", "how many").argParser(integer(1, 4096)).default(1))
    .addOption(new Option("--seed <n>", "seed of the noise").argParser(seed).default(0))
    .addOption(
      new Option("--steps <n>", "steps; 1000 with --eta 1 is the ancestral DDPM sampler").argParser(steps).default(50),
    )
    .addOption(
      new Option("--eta <value>", "0: DDIM, 1: as much fresh noise as DDPM").argParser(within(0, 1)).default(0),
    )
    .addOption(solverOption().default("ddim"))
    .option("--out <file.png>", "picture or sheet", "sample.png");
  return withExamples(
    withCommonOptions(withReplaceOption(command)),
    "injectfusion sample --count 16 --seed 7 --out sheet.png",
    "injectfusion sample --steps 1000 --eta 1 --out ancestral.png",
  ).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  const out = { flag: "--out", file: options.out };
  checkPngName(out);
  await checkTargets([out], inputFiles(["--model", options.model]), options);
  const { count, seed, steps, eta, solver } = options;
  const reporter = new Reporter(context.terminal, options.quiet);
  const details = { count, seed, steps, eta, solver };
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, device, signal } = session;
      const pictures = await drawAll(session, details);
      const text = provenance(model, "sample", details);
      const sheet = count > 1 && (await drawSheet(sheetOf(pictures, model.name, details), text));
      signal.throwIfAborted();
      if (sheet) await writeWhole(options.out, sheet);
      else await writePng(options.out, pictures[0]!, text);
      return {
        out: options.out,
        model: model.name,
        ...details,
        adapter: device.description,
        seconds: reporter.seconds,
      };
    },
    reporter,
  );
  reporter.result(options.json ? JSON.stringify(report) : options.out);
}

interface Details {
  readonly count: number;
  readonly seed: number;
  readonly steps: number;
  readonly eta: number;
  readonly solver: Solver;
}

/** Draws all samples, in batches; sample n of a seed is the same in any batch. */
async function drawAll({ model, reporter, signal }: Session, { count, ...asked }: Details): Promise<Pixels[]> {
  const work = async (report: Report) => {
    const all: Pixels[] = [];
    for (let first = 0; first < count; first += BATCH) {
      const size = Math.min(BATCH, count - first);
      const onStep = stepsTo(report, first / BATCH, Math.ceil(count / BATCH));
      const result = await model.sample({ count: size, first, ...asked, signal, onStep });
      try {
        all.push(...(await result.toPixels()));
      } finally {
        result.dispose();
      }
    }
    return all;
  };
  return reporter.phase("sample", work, COMPILING);
}

function sheetOf(pictures: readonly Pixels[], name: string, { steps, eta, seed }: Details) {
  const columns = Math.ceil(Math.sqrt(pictures.length));
  const rows = Array.from({ length: Math.ceil(pictures.length / columns) }, (_, r) =>
    pictures.slice(r * columns, (r + 1) * columns).map((pixels) => ({ pixels })),
  );
  const side = enlargedSide(pictures[0]!.width, 128);
  return { rows, side, footer: `${name}  ${steps} steps  eta ${eta}  seed ${seed}` };
}
