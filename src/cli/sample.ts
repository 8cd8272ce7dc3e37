import { Command, Option } from "commander";
import type { Pixels } from "../api";
import { writeWhole } from "../platform/files-node";
import { checkPngTarget, writePng } from "../platform/images-node";
import { type CommonOptions, type Context, stepsTo, withCommonOptions, withSession } from "./context";
import type { EngineResult } from "./engine";
import { drawSheet, enlargedSide } from "./picture/sheet";
import { provenance } from "./provenance";
import { Talk } from "./talk";
import { integer, seed, steps, within } from "./values";

interface Options extends CommonOptions {
  readonly count: number;
  readonly seed: number;
  readonly steps: number;
  readonly eta: number;
  readonly out: string;
}

/** Most samples in one batch: more gain nothing on the adapters measured and cost memory. */
const BATCH = 16;

/** `injectfusion sample`: pictures from noise. */
export function sample(context: Context): Command {
  const command = new Command("sample")
    .description("draw pictures from noise; more than one make a sheet")
    .addOption(new Option("--count <n>", "how many").argParser(integer(1, 4096)).default(1))
    .addOption(new Option("--seed <n>", "seed of the noise").argParser(seed).default(0))
    .addOption(new Option("--steps <n>", "DDIM steps").argParser(steps).default(50))
    .addOption(
      new Option("--eta <value>", "0: DDIM, 1: as much fresh noise as DDPM").argParser(within(0, 1)).default(0),
    )
    .option("--out <file.png>", "where the picture or sheet goes", "sample.png");
  return withCommonOptions(command).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  await checkPngTarget(options.out);
  const { count, seed, steps, eta } = options;
  const talk = new Talk(context.terminal, options.quiet);
  const report = await withSession(
    context,
    options,
    async ({ model, device, signal }) => {
      const batches = Math.ceil(count / BATCH);
      const pictures = await talk.phase("sample", async (report) => {
        const all: Pixels[] = [];
        for (let b = 0; b < batches; b++) {
          const size = Math.min(BATCH, count - b * BATCH);
          const onStep = stepsTo(report, b, batches);
          all.push(
            ...(await pixelsOf(await model.sample({ count: size, seed: seed + b, steps, eta, signal, onStep }))),
          );
        }
        return all;
      });
      const details = { count, seed, steps, eta };
      const text = provenance(model, "sample", details);
      if (count === 1) await writePng(options.out, pictures[0]!, text);
      else await writeWhole(options.out, await drawSheet(sheetOf(pictures, model.name, details), text));
      return { out: options.out, model: model.name, ...details, adapter: device.description, seconds: talk.seconds };
    },
    talk,
  );
  talk.result(options.json ? JSON.stringify(report) : options.out);
}

/** Reads every picture of a result and frees it. */
export async function pixelsOf(result: EngineResult): Promise<Pixels[]> {
  try {
    const pictures: Pixels[] = [];
    for (let i = 0; i < result.count; i++) pictures.push(await result.toPixels(i));
    return pictures;
  } finally {
    result.dispose();
  }
}

function sheetOf(pictures: readonly Pixels[], name: string, details: { seed: number; steps: number; eta: number }) {
  const columns = Math.ceil(Math.sqrt(pictures.length));
  const rows = Array.from({ length: Math.ceil(pictures.length / columns) }, (_, r) =>
    pictures.slice(r * columns, (r + 1) * columns).map((pixels) => ({ pixels })),
  );
  const side = enlargedSide(pictures[0]!.width, 128);
  return { rows, side, footer: `${name}  ${details.steps} steps  eta ${details.eta}  seed ${details.seed}` };
}
