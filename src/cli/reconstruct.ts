import { Command, Option } from "commander";
import type { Pixels } from "../api";
import { psnr } from "../metrics/psnr";
import { checkPngTarget, decodeImage, writePng } from "../platform/images-node";
import { type CommonOptions, type Context, type Session, withCommonOptions, withSession } from "./context";
import { nameOf, provenance } from "./provenance";
import { Talk } from "./talk";
import { list, steps } from "./values";

interface Options extends CommonOptions {
  readonly stepsInversion: number;
  readonly steps: number;
  readonly out?: string;
  readonly report?: number[] | true;
}

const REPORTED = [10, 25, 50, 100];

/** `injectfusion reconstruct`: how faithfully the model holds a picture. */
export function reconstruct(context: Context): Command {
  const command = new Command("reconstruct")
    .description("invert a picture and generate it again; prints the PSNR against it, in dB")
    .argument("<image>", "the picture")
    .addOption(new Option("--steps-inversion <n>", "DDIM steps of the inversion").argParser(steps).default(50))
    .addOption(new Option("--steps <n>", "steps of the generation").argParser(steps).default(50))
    .option("--out <file.png>", "where the reconstruction goes (of a report: the last one)")
    .addOption(
      new Option("--report [steps]", `PSNR for each of these numbers of steps (default: ${REPORTED})`).argParser(
        list(steps),
      ),
    );
  return withCommonOptions(command).action((image: string, options: Options) => run(context, image, options));
}

async function run(context: Context, image: string, options: Options): Promise<void> {
  if (options.out) await checkPngTarget(options.out);
  const picture = await decodeImage(image);
  const talk = new Talk(context.terminal, options.quiet);
  const counts = options.report === true ? REPORTED : options.report;
  const pairs = counts?.map((n) => ({ stepsInversion: n, steps: n })) ?? [options];
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, device, signal } = session;
      const rows: Row[] = [];
      let last: Pixels | undefined;
      for (const { stepsInversion, steps } of pairs) {
        const { target, pixels } = await once(session, picture, stepsInversion, steps);
        rows.push({ stepsInversion, steps, psnr: psnr(target, pixels) });
        last = pixels;
      }
      signal.throwIfAborted();
      const text = provenance(model, "reconstruct", { image: nameOf(image), ...rows.at(-1) });
      if (options.out) await writePng(options.out, last!, text);
      return { image, model: model.name, rows, adapter: device.description, seconds: talk.seconds };
    },
    talk,
  );
  if (options.json) return talk.result(JSON.stringify(report));
  if (counts) talk.result("steps  PSNR/dB");
  for (const row of report.rows)
    talk.result(
      counts ? `${String(row.steps).padStart(5)}  ${row.psnr.toFixed(2).padStart(7)}` : `${row.psnr.toFixed(2)} dB`,
    );
  if (options.out) talk.result(options.out);
}

interface Row {
  readonly stepsInversion: number;
  readonly steps: number;
  readonly psnr: number;
}

/** @returns the picture as the model sees it, and what it makes of it. */
async function once({ model, talk, signal }: Session, picture: Pixels, stepsInversion: number, steps: number) {
  return talk.phase(`${stepsInversion}+${steps} steps`, async (report) => {
    const all = stepsInversion + steps;
    const onInvert = ({ step }: { step: number }) => report(step, all);
    const onGenerate = ({ step }: { step: number }) => report(stepsInversion + step, all);
    const inversion = await model.invert(picture, { steps: stepsInversion, signal, onStep: onInvert });
    try {
      const result = await model.reconstruct(inversion, { steps, signal, onStep: onGenerate });
      const [[target], [pixels]] = [await inversion.toPixels(), await result.toPixels()];
      result.dispose();
      return { target: target!, pixels: pixels! };
    } finally {
      inversion.dispose();
    }
  });
}
