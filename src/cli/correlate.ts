import { join } from "node:path";
import { Command, Option } from "commander";
import { DEFAULT_BATCH, disposeAll, type Inverted, invertMany, type Outcome } from "../experiments/batches";
import { type CorrelationRow, correlate as correlateRow, rules } from "../experiments/correlation";
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
import { PartialFailure } from "./failure";
import { makeFolder, readFolder } from "./folders";
import { drawPlot } from "./picture/plot";
import { Reporter } from "./reporter";
import { aligned, csv } from "./table";
import { checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { gamma, integer, steps } from "./values";

interface Options extends CommonOptions, TargetOptions {
  readonly images: string;
  readonly out: string;
  readonly gamma: number;
  readonly stepsInversion: number;
  readonly batch: number;
}

/** `injectfusion correlate`: correlation of |h| with |g|, as in the paper's Fig. 5. */
export function correlate(context: Context): Command {
  const command = new Command("correlate")
    .description("Pearson's r of |h| and of the skip's |g| over pictures, at every time step and for every mixing rule")
    .optionsGroup("Pictures and results:")
    .requiredOption("--images <folder>", "at least 3 pictures; some 20 make r steady")
    .requiredOption("--out <folder>", "folder for correlation.csv, .json and .svg")
    .addOption(
      new Option("--gamma <value>", "share of the other picture's h in the mixing rules").argParser(gamma).default(0.3),
    )
    .addOption(new Option("--steps-inversion <n>", "DDIM steps").argParser(steps).default(50))
    .addOption(new Option("--batch <n>", "most pictures in a batch").argParser(integer(1, 256)).default(DEFAULT_BATCH));
  return withExamples(
    withCommonOptions(withReplaceOption(command)),
    "injectfusion correlate --images portraits/ --out fig5/",
  ).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  const pictures = await readFolder(options.images);
  await makeFolder(options.out);
  const file = (extension: string) => join(options.out, `correlation.${extension}`);
  const targets = ["csv", "json", "svg"].map((extension) => ({ flag: "--out", file: file(extension) }));
  await checkTargets(targets, [], options);
  const reporter = new Reporter(context.terminal, options.quiet);
  const bad = pictures.filter((picture) => picture.error);
  for (const { error } of bad) context.terminal.stderr.write(`failed: ${error!.message}\n`);
  const sound = pictures.flatMap(({ pixels }) => (pixels ? [pixels] : []));
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model } = session;
      const { h, g } = model.network.unet(1);
      const kept = await invertAt(session, sound, options, h, "invert (h)");
      const skips = await invertAt(session, sound, options, g, "invert (skip)");
      const rows: CorrelationRow[] = [];
      await reporter.phase("correlate", async (report) => {
        for (const t of kept.times) {
          rows.push(correlateRow({ t, h: await kept.at(t), g: await skips.at(t) }, options.gamma));
          report(rows.length, kept.times.length);
        }
      });
      kept.dispose();
      skips.dispose();
      return { model: model.name, hash: model.hash, h, g, gamma: options.gamma, pictures: kept.count, rows };
    },
    reporter,
  );
  const columns = ["t", "matching", "mismatched", ...rules];
  const rows = report.rows.map((row) => [row.t, row.matching, row.mismatched, ...rules.map((rule) => row.mixed[rule])]);
  await writeWhole(file("csv"), csv(columns, rows));
  await writeWhole(file("json"), `${JSON.stringify(report, null, 1)}\n`);
  await writeWhole(file("svg"), plotOf(report.model, report.rows, options.gamma));
  if (options.json) reporter.result(JSON.stringify(report));
  else for (const line of aligned(columns, rows)) reporter.result(line);
  if (bad.length > 0) throw new PartialFailure();
}

/** Inverts every picture and keeps one tensor of the network. */
async function invertAt(
  { model, reporter, signal }: Session,
  pictures: Parameters<typeof invertMany>[1],
  { stepsInversion, batch }: Options,
  tap: string,
  phase: string,
) {
  const outcomes = await reporter.phase(
    phase,
    (report) =>
      invertMany(model, pictures, {
        steps: stepsInversion,
        batch,
        tap,
        signal,
        onDone: (done) => report(Math.floor(done), pictures.length),
      }),
    COMPILING,
  );
  const failed = outcomes.find((outcome): outcome is { error: Error } => "error" in outcome);
  if (failed) throw failed.error;
  const batches = [
    ...new Set((outcomes as Extract<Outcome<Inverted>, { value: Inverted }>[]).map(({ value }) => value.batch)),
  ];
  const at = async (t: number): Promise<Float32Array[]> => {
    const all: Float32Array[] = [];
    for (const inversion of batches) {
      const values = await inversion.readH(t);
      const size = values.length / inversion.count;
      for (let i = 0; i < inversion.count; i++) all.push(values.subarray(i * size, (i + 1) * size));
    }
    return all;
  };
  return { times: batches[0]?.times ?? [], count: pictures.length, at, dispose: () => disposeAll(outcomes) };
}

function plotOf(model: string, rows: readonly CorrelationRow[], gamma: number): string {
  const line = (name: string, of: (row: CorrelationRow) => number, dashed = false) => ({
    name,
    dashed,
    points: rows.map((row) => [row.t, of(row)] as const),
  });
  const mixed = rules.map((rule) => line(rule, (row) => row.mixed[rule], true));
  return drawPlot({
    title: `${model}: r of |h| and |g| over pictures, mixing at γ ${gamma}`,
    x: "time step t",
    y: "Pearson's r",
    range: [-1, 1],
    series: [line("matching", (row) => row.matching), line("mismatched", (row) => row.mismatched), ...mixed],
  });
}
