import { mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Command } from "commander";
import { UserError } from "../errors";
import { inversionOf } from "../inject/inversion-options";
import { writeWhole } from "../platform/files-node";
import { decodeImage, writePng } from "../platform/images-node";
import { shippedExamples } from "../platform/node";
import { readPngText } from "../platform/png-text";
import { COMPILING, type Context, stepsTo, withExamples, withSession } from "./context";
import { chooseParameters, describe } from "./inject-parameters";
import { drawSheet } from "./picture/sheet";
import { nameOf, provenance } from "./provenance";
import { Reporter } from "./reporter";

/** Original and content. They differ in hair and glasses, which is seen at a glance. */
const PAIR = ["portrait-04.png", "portrait-02.png"] as const;

interface Options {
  readonly out: string;
  readonly model?: string;
}

/** `injectfusion start`: the whole method once, on two pictures of the package. */
export function start(context: Context): Command {
  const command = new Command("start")
    .description("inject one picture of the package into another: a first try")
    .option("--model <source>", "another model than the shipped one")
    .option("--out <folder>", "folder for strip.png and result.png", "out");
  return withExamples(command, "injectfusion start").action((options: Options) => run(context, options));
}

/** @throws UserError for a file that `start` did not write itself */
async function checkOwn(file: string): Promise<void> {
  const bytes = await readFile(file).catch(() => undefined);
  if (!bytes) return;
  try {
    if ((JSON.parse(readPngText(bytes).Parameters ?? "{}") as { command?: unknown }).command === "start") return;
  } catch {
    // not a PNG file
  }
  throw new UserError(`${file}: exists, and was not written by start; give another --out`);
}

async function run(context: Context, { out, ...options }: Options): Promise<void> {
  const examples = shippedExamples();
  const [originalFile, contentFile] = PAIR.map((name) => examples.find((file) => basename(file) === name));
  if (!originalFile || !contentFile)
    throw new UserError(`weights/examples: expected ${PAIR.join(" and ")} in it; reinstall the package`);
  const [resultFile, stripFile] = [join(out, "result.png"), join(out, "strip.png")];
  for (const file of [resultFile, stripFile]) await checkOwn(file);
  const pictures = [await decodeImage(originalFile), await decodeImage(contentFile)];
  const reporter = new Reporter(context.terminal);
  const began = performance.now();
  await withSession(
    context,
    options,
    async ({ engine, model, signal }) => {
      const { preset, parameters, stepsInversion } = chooseParameters(engine, options);
      const inversion = await reporter.phase(
        "invert",
        (report) => model.invert(pictures, { ...inversionOf(parameters), signal, onStep: stepsTo(report) }),
        COMPILING,
      );
      const [original, content] = [inversion.select(0), inversion.select(1)];
      const result = await reporter.phase(
        "inject",
        (report) => model.inject({ ...parameters, original, content, signal, onStep: stepsTo(report) }),
        COMPILING,
      );
      await reporter.phase("write", async () => {
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
        await writePng(resultFile, injected!, text);
        await writeWhole(stripFile, sheet);
      });
    },
    reporter,
  );
  reporter.say(`${"all".padEnd(12)} ${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s`);
  reporter.result(stripFile);
}
