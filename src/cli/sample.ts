import { Command, Option } from "commander";
import type { Pixels } from "../api";
import { writeWhole } from "../platform/files-node";
import { checkPngTarget, writePng } from "../platform/images-node";
import { type CommonOptions, type Context, type Session, stepsTo, withCommonOptions, withSession } from "./context";
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
    .addOption(
      new Option("--steps <n>", "steps; 1000 with --eta 1 is the ancestral DDPM sampler").argParser(steps).default(50),
    )
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
  const details = { count, seed, steps, eta };
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
      return { out: options.out, model: model.name, ...details, adapter: device.description, seconds: talk.seconds };
    },
    talk,
  );
  talk.result(options.json ? JSON.stringify(report) : options.out);
}

interface Details {
  readonly count: number;
  readonly seed: number;
  readonly steps: number;
  readonly eta: number;
}

/** All samples, in batches; sample n of a seed does not depend on how they are batched. */
async function drawAll({ model, talk, signal }: Session, { count, seed, steps, eta }: Details): Promise<Pixels[]> {
  return talk.phase("sample", async (report) => {
    const all: Pixels[] = [];
    for (let first = 0; first < count; first += BATCH) {
      const size = Math.min(BATCH, count - first);
      const onStep = stepsTo(report, first / BATCH, Math.ceil(count / BATCH));
      const result = await model.sample({ count: size, first, seed, steps, eta, signal, onStep });
      try {
        all.push(...(await result.toPixels()));
      } finally {
        result.dispose();
      }
    }
    return all;
  });
}

function sheetOf(pictures: readonly Pixels[], name: string, { steps, eta, seed }: Details) {
  const columns = Math.ceil(Math.sqrt(pictures.length));
  const rows = Array.from({ length: Math.ceil(pictures.length / columns) }, (_, r) =>
    pictures.slice(r * columns, (r + 1) * columns).map((pixels) => ({ pixels })),
  );
  const side = enlargedSide(pictures[0]!.width, 128);
  return { rows, side, footer: `${name}  ${steps} steps  eta ${eta}  seed ${seed}` };
}
