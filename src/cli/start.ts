import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { UserError } from "../errors";
import { writeWhole } from "../platform/files-node";
import { decodeImage, writePng } from "../platform/images-node";
import { shippedExamples } from "../platform/node";
import { type Context, stepsTo, withSession } from "./context";
import { chooseParameters, describe } from "./inject-parameters";
import { drawSheet } from "./picture/sheet";
import { nameOf, provenance } from "./provenance";
import { pixelsOf } from "./sample";
import { Talk } from "./talk";

interface Options {
  readonly out: string;
}

/** `npm start`: the whole method once, on two pictures that come with the package. */
export function start(context: Context): Command {
  return new Command("start")
    .description("inject one shipped picture into another and draw the result")
    .option("--out <folder>", "where strip.png and result.png go", "out")
    .action((options: Options) => run(context, options));
}

async function run(context: Context, { out }: Options): Promise<void> {
  const [originalFile, contentFile] = shippedExamples();
  if (!originalFile || !contentFile)
    throw new UserError("weights/examples holds no two pictures; is the package whole?");
  const [original, content] = [await decodeImage(originalFile), await decodeImage(contentFile)];
  const talk = new Talk(context.terminal);
  const began = performance.now();
  const strip = await withSession(
    context,
    {},
    async ({ engine, model, signal }) => {
      const { preset, parameters, stepsInversion } = chooseParameters(engine, {});
      const both = await talk.phase("invert", (report) =>
        model.invert([original, content], { steps: stepsInversion, signal, onStep: stepsTo(report) }),
      );
      const result = await talk.phase("inject", (report) =>
        model.inject({
          ...parameters,
          original: both.select(0),
          content: both.select(1),
          signal,
          onStep: stepsTo(report),
        }),
      );
      const used = { ...parameters, ...result.parameters };
      const names = { original: nameOf(originalFile), content: nameOf(contentFile) };
      const text = provenance(model, "start", { preset, ...used, stepsInversion, ...names });
      return talk.phase("write", async () => {
        const [pixels] = await pixelsOf(result);
        const row = [
          { pixels: original, caption: "original" },
          { pixels: content, caption: "content" },
          { pixels: pixels!, caption: "result" },
        ];
        const sheet = await drawSheet(
          { rows: [row], footer: `${model.name}  ${describe(used, stepsInversion)}` },
          text,
        );
        await mkdir(out, { recursive: true });
        await writePng(join(out, "result.png"), pixels!, text);
        await writeWhole(join(out, "strip.png"), sheet);
        return join(out, "strip.png");
      });
    },
    talk,
  );
  talk.say(`${"all".padEnd(12)} ${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s`);
  talk.result(strip);
}
