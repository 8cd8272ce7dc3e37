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
import { Talk } from "./talk";

interface Options {
  readonly out: string;
  readonly model?: string;
}

/** `npm start`: the whole method once, on two pictures that come with the package. */
export function start(context: Context): Command {
  return new Command("start")
    .description("inject one shipped picture into another and draw the result")
    .option("--model <source>", "another model than the shipped one")
    .option("--out <folder>", "where strip.png and result.png go", "out")
    .action((options: Options) => run(context, options));
}

async function run(context: Context, { out, ...options }: Options): Promise<void> {
  const [originalFile, contentFile] = shippedExamples();
  if (!originalFile || !contentFile)
    throw new UserError("weights/examples holds no two pictures; is the package whole?");
  const pictures = [await decodeImage(originalFile), await decodeImage(contentFile)];
  const talk = new Talk(context.terminal);
  const began = performance.now();
  const strip = await withSession(
    context,
    options,
    async ({ engine, model, signal }) => {
      const { preset, parameters, stepsInversion } = chooseParameters(engine, {});
      const inversion = await talk.phase("invert", (report) =>
        model.invert(pictures, { steps: stepsInversion, signal, onStep: stepsTo(report) }),
      );
      const [original, content] = [inversion.select(0), inversion.select(1)];
      const result = await talk.phase("inject", (report) =>
        model.inject({ ...parameters, original, content, signal, onStep: stepsTo(report) }),
      );
      return talk.phase("write", async () => {
        const [[first, second], [injected]] = [await inversion.toPixels(), await result.toPixels()];
        const row = [
          { pixels: first, caption: "original" },
          { pixels: second, caption: "content" },
          { pixels: injected, caption: "result" },
        ];
        const names = { original: nameOf(originalFile), content: nameOf(contentFile) };
        const text = provenance(model, "start", { preset, ...parameters, stepsInversion, ...names });
        const footer = `${model.name}  ${describe(parameters, stepsInversion)}`;
        const sheet = await drawSheet({ rows: [row], footer }, text);
        signal.throwIfAborted();
        await mkdir(out, { recursive: true });
        await writePng(join(out, "result.png"), injected!, text);
        await writeWhole(join(out, "strip.png"), sheet);
        return join(out, "strip.png");
      });
    },
    talk,
  );
  talk.say(`${"all".padEnd(12)} ${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s`);
  talk.result(strip);
}
