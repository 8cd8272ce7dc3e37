import { Command, Option } from "commander";
import { decoderTaps, rankTaps, scoreTaps, type TapScore } from "../experiments/taps";
import { writeWhole } from "../platform/files-node";
import { COMPILING, type CommonOptions, type Context, withCommonOptions, withExamples, withSession } from "./context";
import { readFolder } from "./folders";
import { chooseParameters, describe, type ParameterOptions, withParameterOptions } from "./inject-parameters";
import { Reporter } from "./reporter";
import { aligned, csv } from "./table";
import { checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { gamma, integer, list } from "./values";

interface Options extends CommonOptions, ParameterOptions, TargetOptions {
  readonly images: string;
  readonly pairs: number;
  readonly gamma: number[];
  readonly taps?: string[];
  readonly out?: string;
}

/** `injectfusion taps`: which tensor of a network carries the content best. */
export function taps(context: Context): Command {
  const command = new Command("taps")
    .description("inject at every block from the bottleneck on, and rank them by what the results keep and take over")
    .optionsGroup("Pictures and results:")
    .requiredOption("--images <folder>", "pictures; each gets the content of the next one")
    .addOption(new Option("--pairs <n>", "how many of the pictures").argParser(integer(2, 256)).default(4))
    .addOption(new Option("--gamma <list>", "shares of the content").argParser(list(gamma)).default([0.3, 0.6]))
    .addOption(
      new Option("--taps <list>", "which tensors (default: h and every block behind it)").argParser((text) =>
        text.split(","),
      ),
    )
    .option("--out <file.csv>", "every tap at every gamma");
  return withExamples(
    withCommonOptions(withParameterOptions(withReplaceOption(command))),
    "injectfusion taps --images portraits/ --pairs 4 --solver dpm++2m --steps-inversion 20 --steps 20",
  ).action((options: Options) => run(context, options));
}

const columns = ["tap", "gamma", "moved", "palette kept", "quality kept", "score"];
const rowOf = (s: TapScore) => [s.tap, s.gamma, s.moved, s.paletteKept, s.qualityKept, s.score];

async function run(context: Context, options: Options): Promise<void> {
  const reporter = new Reporter(context.terminal, options.quiet);
  if (options.out) await checkTargets([{ flag: "--out", file: options.out }], [], options);
  const folder = await readFolder(options.images);
  for (const { error } of folder) if (error) context.terminal.stderr.write(`failed: ${error.message}\n`);
  const pictures = folder.flatMap(({ pixels }) => (pixels ? [pixels] : [])).slice(0, options.pairs);
  const { parameters, stepsInversion } = chooseParameters(await context.engine(), options);
  const report = await withSession(
    context,
    options,
    async ({ model, signal }) => {
      const scores = await reporter.phase(
        "taps",
        (report) =>
          scoreTaps(model, pictures, {
            taps: options.taps ?? decoderTaps(model.network.unet(1)),
            gammas: options.gamma,
            parameters,
            signal,
            onDone: (runs, all) => report(Math.round(100 * runs), 100 * all),
          }),
        COMPILING,
      );
      return { model: model.name, hash: model.hash, pairs: pictures.length, scores, ranking: rankTaps(scores) };
    },
    reporter,
  );
  if (options.out) await writeWhole(options.out, csv(columns, report.scores.map(rowOf)));
  if (options.json) return reporter.result(JSON.stringify(report));
  for (const line of aligned(columns, report.ranking.map(rowOf))) reporter.result(line);
  reporter.say(`${report.pairs} pairs  ${describe(parameters, stepsInversion, { gamma: "best of those given" })}`);
}
