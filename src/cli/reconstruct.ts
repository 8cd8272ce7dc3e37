import { Command, Option } from "commander";
import { psnr } from "../metrics/psnr";
import { checkPngTarget, decodeImage, fitImage, writePng } from "../platform/images-node";
import { type CommonOptions, type Context, type Session, withCommonOptions, withSession } from "./context";
import { nameOf, provenance } from "./provenance";
import { pixelsOf } from "./sample";
import { Talk } from "./talk";
import { integer, list, steps } from "./values";

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
    .option("--out <file.png>", "where the reconstruction goes")
    .addOption(
      new Option("--report [steps]", `PSNR for each number of steps (default: ${REPORTED})`).argParser(
        list(integer(2, 1000)),
      ),
    );
  return withCommonOptions(command).action((image: string, options: Options) => run(context, image, options));
}

async function run(context: Context, image: string, options: Options): Promise<void> {
  if (options.out) await checkPngTarget(options.out);
  const picture = await decodeImage(image);
  const talk = new Talk(context.terminal, options.quiet);
  const counts = options.report === true ? REPORTED : options.report;
  const pairs = counts
    ? counts.map((n) => ({ inversion: n, generation: n }))
    : [{ inversion: options.stepsInversion, generation: options.steps }];
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, device } = session;
      const target = await fitImage(picture, model.resolution);
      const rows: Row[] = [];
      for (const pair of pairs) {
        const pixels = await once(session, picture, pair);
        rows.push({ ...pair, psnr: psnr(target, pixels) });
        const text = provenance(model, "reconstruct", { image: nameOf(image), ...rows.at(-1) });
        if (options.out) await writePng(options.out, pixels, text);
      }
      return { image, model: model.name, rows, adapter: device.description, seconds: talk.seconds };
    },
    talk,
  );
  if (options.json) return talk.result(JSON.stringify(report));
  if (counts) talk.result("steps  PSNR/dB");
  for (const row of report.rows)
    talk.result(
      counts
        ? `${String(row.generation).padStart(5)}  ${row.psnr.toFixed(2).padStart(7)}`
        : `${row.psnr.toFixed(2)} dB`,
    );
  if (options.out) talk.result(options.out);
}

interface Pair {
  readonly inversion: number;
  readonly generation: number;
}
type Row = Pair & { readonly psnr: number };

async function once({ model, talk, signal }: Session, picture: Parameters<typeof model.invert>[0], pair: Pair) {
  const name = `${pair.inversion}+${pair.generation} steps`;
  return talk.phase(name, async (report) => {
    const all = pair.inversion + pair.generation;
    const inversion = await model.invert(picture, {
      steps: pair.inversion,
      signal,
      onStep: ({ step }) => report(step, all),
    });
    try {
      const onStep = ({ step }: { step: number }) => report(pair.inversion + step, all);
      return (await pixelsOf(await model.reconstruct(inversion, { steps: pair.generation, signal, onStep })))[0]!;
    } finally {
      inversion.dispose();
    }
  });
}
