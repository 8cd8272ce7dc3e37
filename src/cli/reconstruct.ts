import { Command, Option } from "commander";
import type { InjectParameters, Pixels } from "../api";
import type { InversionMethod } from "../inject/methods";
import { maxDifference, psnr, psnrOfValues } from "../metrics/psnr";
import type { Solver } from "../model/schedule";
import { writePng } from "../platform/images-node";
import {
  COMPILING,
  type CommonOptions,
  type Context,
  type Session,
  withCommonOptions,
  withExamples,
  withSession,
} from "./context";
import { noteUnfamiliar } from "./familiar";
import { chooseParameters } from "./inject-parameters";
import { isPlaced, ONLY, type PlacementOptions, type Placing, placeAll, withPlacementOptions } from "./placement";
import { nameOf, provenance } from "./provenance";
import { inputFiles, readPicture } from "./read-picture";
import { type Report, Reporter } from "./reporter";
import { checkPngName, checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { list, methodOption, solverOption, steps } from "./values";

interface Options extends CommonOptions, TargetOptions, PlacementOptions {
  readonly stepsInversion?: number;
  readonly steps?: number;
  readonly solver?: Solver;
  readonly method?: InversionMethod;
  readonly out?: string;
  readonly report?: number[] | true;
}

const REPORTED = [10, 25, 50, 100];

/** `injectfusion reconstruct`: how faithfully a model reproduces a picture. */
export function reconstruct(context: Context): Command {
  const command = new Command("reconstruct")
    .description("invert a picture and generate it again; prints the PSNR against it, in dB")
    .argument(
      "<image>",
      "the picture: a file, - for stdin, or an address; its centre square is used unless it is placed",
    )
    .optionsGroup("Reconstruction:")
    .addOption(
      new Option("--steps-inversion <n>", "steps of the inversion (default: those of the model's preset)").argParser(
        steps,
      ),
    )
    .addOption(new Option("--steps <n>", "steps of the generation (default: those of the inversion)").argParser(steps))
    .addOption(solverOption())
    .addOption(methodOption())
    .option("--out <file.png>", "reconstruction (of a report: the last one)")
    .addOption(
      new Option("--report [steps]", `PSNR for each of these numbers of steps (default: ${REPORTED})`).argParser(
        list(steps),
      ),
    );
  return withExamples(
    withCommonOptions(withPlacementOptions(withReplaceOption(command), [])),
    "injectfusion reconstruct b.png",
    "injectfusion reconstruct b.png --report 10,50,200 --out again.png",
  ).action((image: string, options: Options) => run(context, image, options));
}

async function run(context: Context, image: string, options: Options): Promise<void> {
  const reporter = new Reporter(context.terminal, options.quiet);
  if (options.out) {
    const out = { flag: "--out", file: options.out };
    checkPngName(out);
    await checkTargets([out], inputFiles(["picture", image], ["--model", options.model]), options);
  }
  const pixels = await readPicture({ flag: "picture", file: image }, reporter, isPlaced(ONLY, options));
  const [picture] = await placeAll([{ key: ONLY, name: nameOf(image), pixels }], options, reporter);
  const { parameters } = chooseParameters(await context.engine(), options);
  const { solver, method, stepsInversion } = parameters;
  const counts = options.report === true ? REPORTED : options.report;
  const pairs = counts?.map((n) => ({ stepsInversion: n, steps: n })) ?? [
    { stepsInversion, steps: options.steps ?? stepsInversion },
  ];
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, device, signal } = session;
      const rows: Row[] = [];
      let last: Pixels | undefined;
      for (const { stepsInversion, steps } of pairs) {
        const { pixels, ...measured } = await once(
          session,
          picture!,
          { stepsInversion, steps, solver, method },
          rows.length === 0 && nameOf(image),
        );
        rows.push({ stepsInversion, steps, ...measured });
        last = pixels;
      }
      signal.throwIfAborted();
      const text = provenance(model, "reconstruct", { image: nameOf(image), solver, method, ...rows.at(-1) });
      if (options.out) await writePng(options.out, last!, text);
      return {
        image,
        model: model.name,
        solver,
        method,
        rows,
        adapter: device.description,
        seconds: reporter.seconds,
      };
    },
    reporter,
  );
  if (options.json) return reporter.result(JSON.stringify(report));
  if (counts) reporter.result("steps  PSNR/dB");
  for (const { steps, psnr, psnrUnrounded } of report.rows) {
    const exact = `equal (${psnrUnrounded.toFixed(2)} dB before rounding)`;
    if (counts)
      reporter.result(`${String(steps).padStart(5)}  ${Number.isFinite(psnr) ? psnr.toFixed(2).padStart(7) : exact}`);
    else reporter.result(Number.isFinite(psnr) ? `${psnr.toFixed(2)} dB` : exact);
  }
  if (options.out) reporter.result(options.out);
}

interface Row {
  readonly stepsInversion: number;
  readonly steps: number;
  /** of the 8-bit pictures, in dB; Infinity where they are equal, which JSON writes as null */
  readonly psnr: number;
  /** of the values in [-1, 1] before they are rounded to 8 bits */
  readonly psnrUnrounded: number;
  /** largest difference of the 8-bit pictures, in levels of 255 */
  readonly maxDifference: number;
}

/** @param name under which to say that the picture is unlike what the model knows, if it is
 *  @returns the reconstruction, and how near it is to the picture as the model sees it */
async function once(
  { model, reporter, signal }: Session,
  picture: Placing,
  { stepsInversion, steps, solver, method }: Pick<InjectParameters, "stepsInversion" | "steps" | "solver" | "method">,
  name: string | false,
) {
  const work = async (report: Report) => {
    const all = stepsInversion + steps;
    const onInvert = ({ step }: { step: number }) => report(step, all);
    const onGenerate = ({ step }: { step: number }) => report(stepsInversion + step, all);
    const inversion = await model.invert(picture, { steps: stepsInversion, solver, method, signal, onStep: onInvert });
    try {
      if (name) await noteUnfamiliar(inversion, [name], reporter);
      const result = await model.reconstruct(inversion, { steps, signal, onStep: onGenerate });
      const [[target], [pixels]] = [await inversion.toPixels(), await result.toPixels()];
      const psnrUnrounded = psnrOfValues(await inversion.readImages(), await result.read());
      result.dispose();
      const [a, b] = [target!, pixels!];
      return { pixels: b, psnr: psnr(a, b), psnrUnrounded, maxDifference: maxDifference(a, b) };
    } finally {
      inversion.dispose();
    }
  };
  return reporter.phase(`${stepsInversion}+${steps} steps`, work, COMPILING);
}
