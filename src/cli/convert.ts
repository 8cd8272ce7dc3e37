import { Command, Option } from "commander";
import { knownOf, presetOf } from "../load";
import { convertModel } from "../model/checkpoint/convert";
import { describeHalf } from "../model/checkpoint/f16";
import { writeFileAtomic } from "../model/checkpoint/file-node";
import { openModelCheckpoint } from "../model/checkpoint/model";
import { openSource } from "../model/checkpoint/source-node";
import { expectModel } from "../platform/node";
import { type HintFlags, hintsOf, withHintFlags } from "./checkpoint-flags";
import { type Context, withExamples } from "./context";
import { inputFiles } from "./read-picture";
import { Reporter } from "./reporter";
import { checkTargets, type TargetOptions, withReplaceOption } from "./targets";

interface Flags extends HintFlags, TargetOptions {
  readonly dtype: "f16" | "f32";
  readonly quiet?: boolean;
}

/** `injectfusion convert IN OUT.safetensors`: any checkpoint as one safetensors file under canonical names. */
export const convert = (context: Pick<Context, "terminal" | "signal">) =>
  withExamples(
    withHintFlags(
      withReplaceOption(
        new Command("convert")
          .description("write a checkpoint as safetensors, in f32 or half the size in f16")
          .argument("<in>", "path, URL or hf:owner/name[@revision][:file]")
          .argument("<out>", "safetensors file to write")
          .optionsGroup("Result:")
          .addOption(new Option("--dtype <dtype>", "element type").choices(["f16", "f32"]).default("f32"))
          .option("--quiet", "no progress"),
      ),
    ),
    "injectfusion convert ffhq_p2.pt ffhq.safetensors --dtype f16",
  ).action((from: string, to: string, flags: Flags) => run(context, from, to, flags));

async function run({ terminal, signal }: Pick<Context, "terminal" | "signal">, from: string, to: string, flags: Flags) {
  const reporter = new Reporter(terminal, flags.quiet);
  expectModel(from);
  const { source, preset } = presetOf(from);
  await checkTargets([{ flag: "<out>", file: to }], inputFiles(["<in>", String(source)]), flags);
  const options = { ...(preset && knownOf(preset)), ...hintsOf(flags), signal };
  const model = await openModelCheckpoint(await openSource(source, options), options);
  try {
    let bytes = 0;
    const report = await reporter.phase("convert", async (progress) => {
      const { dtype } = flags;
      const onTensor = (_: string, done: number, total: number) => progress(done, total);
      const { report, pieces } = await convertModel(model, { dtype, signal, onTensor });
      const counted = async function* () {
        for await (const piece of pieces) {
          bytes += piece.length;
          yield piece;
        }
      };
      await writeFileAtomic(to, counted());
      return report;
    });
    const { tensors, parameters, dtype } = report;
    reporter.result(`${to}: ${tensors} tensors, ${inWords(parameters)} parameters, ${dtype}, ${inWords(bytes)} bytes`);
    for (const [name, half] of Object.entries(report.notes)) {
      const line = describeHalf(name, half);
      if (line) reporter.result(line);
    }
  } finally {
    model.close();
  }
}

const inWords = (n: number): string => n.toLocaleString("en");
