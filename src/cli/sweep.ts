import { Command, Option } from "commander";
import type { Pixels } from "../api";
import { DEFAULT_BATCH } from "../experiments/batches";
import type { Variant } from "../experiments/sweep";
import { presetFor } from "../inject/parameters";
import { methodOf } from "../model/presets";
import { writeWhole } from "../platform/files-node";
import { type CommonOptions, type Context, withCommonOptions, withExamples, withSession } from "./context";
import { UsageError } from "./failure";
import { chooseParameters, describe, type ParameterOptions, withParameterOptions } from "./inject-parameters";
import { invertPair, type PairOptions, pairFiles, readPair, runPair, withPairOptions } from "./pair";
import { animationFormat, drawAnimation } from "./picture/animation";
import { drawSheet, enlargedSide } from "./picture/sheet";
import { nameOf, provenance } from "./provenance";
import { Reporter } from "./reporter";
import { checkPngName, checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { gamma, integer, list, omega, timeStep } from "./values";

/** Parameters that a sweep may vary, each with the symbol its pictures are labelled with. */
const axes = {
  gamma: { symbol: "γ", flag: "--gamma <list>", parse: list<number | "off">(gamma) },
  omega: { symbol: "ω", flag: "--omega <list>", parse: list<number | "off">(omega) },
  tEdit: { symbol: "t_edit", flag: "--t-edit <list>", parse: list<number | "off">(rounded) },
  tBoost: { symbol: "t_boost", flag: "--t-boost <list>", parse: list<number | "off">(rounded) },
} as const;
type Axis = keyof typeof axes;

/** Evenly spaced time steps need not be whole as they come. */
function rounded(text: string): number {
  return timeStep(Number.isFinite(Number(text)) ? String(Math.round(Number(text))) : text);
}

type Swept = { readonly [A in Axis]?: readonly (number | "off")[] };
interface Options extends CommonOptions, Omit<ParameterOptions, Axis>, PairOptions, Swept, TargetOptions {
  readonly out: string;
  readonly animation?: string;
  readonly batch: number;
}

/** `injectfusion sweep`: one pair at many settings. */
export function sweep(context: Context): Command {
  const command = new Command("sweep").description(
    'one pair over a list of values ("0:0.6:7" or "0,0.3,0.6"): one list makes a strip, two make a sheet',
  );
  command.optionsGroup("Lists (one or two of them):");
  for (const { flag, symbol, parse } of Object.values(axes))
    command.addOption(new Option(flag, `values of ${symbol}, as a list or from:to:count`).argParser(parse));
  command
    .optionsGroup("Results:")
    .requiredOption("--out <file.png>", "strip or sheet")
    .option("--animation <file>", "an animation over the last list too, *.webp or *.gif")
    .addOption(new Option("--batch <n>", "most settings in a batch").argParser(integer(1, 256)).default(DEFAULT_BATCH));
  withParameterOptions(withPairOptions(withReplaceOption(command)), Object.keys(axes));
  return withExamples(
    withCommonOptions(command),
    "injectfusion sweep --content a.jpg --original b.png --gamma 0:0.6:7 --out strip.png --animation strip.webp",
    "injectfusion sweep --content a.jpg --original b.png --gamma 0.2,0.4 --omega 0,0.5,1 --out sheet.png",
  ).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  const swept = (Object.keys(axes) as Axis[]).filter((axis) => (options[axis]?.length ?? 0) > 1);
  if (swept.length < 1 || swept.length > 2)
    throw new UsageError(`found ${swept.length} lists of values, expected one or two, such as --gamma 0:0.6:7`);
  const format = options.animation === undefined ? undefined : animationFormat(options.animation);
  const reporter = new Reporter(context.terminal, options.quiet);
  const out = { flag: "--out", file: options.out };
  const animations = options.animation ? [{ flag: "--animation", file: options.animation }] : [];
  checkPngName(out);
  await checkTargets([out, ...animations], pairFiles(options), options);
  const pair = await readPair(options, reporter);
  const { rows, columns, variants } = settings(options, swept);
  const { gamma: _, omega: __, tEdit: ___, tBoost: ____, ...others } = options;
  const engine = await context.engine();
  const calls = variants.map((variant) => ({ ...others, ...variant }));
  const own = presetFor(methodOf(options.model), calls); // one for all, which share their inversions
  const chosen = calls.map((call) => chooseParameters(engine, call, call.gamma, own))[0]!;
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, device, signal } = session;
      const { run, contentPixels, originalPixels } = await invertPair(session, pair, options, chosen);
      const pictures = await runPair(session, "sweep", variants, { ...run, batch: options.batch });
      const { gammaSchedule, tap } = options;
      const lists = Object.fromEntries(swept.map((axis) => [axis, options[axis]]));
      const names = { original: nameOf(options.original), content: nameOf(options.content) };
      const details = {
        ...chosen.parameters,
        ...lists,
        stepsInversion: chosen.stepsInversion,
        gammaSchedule,
        ...(tap && { tap }),
        ...names,
      };
      const text = provenance(model, "sweep", details);
      const shown = Object.fromEntries(swept.map((axis) => [axis, "as shown"]));
      const footer = `${model.name}  ${describe(chosen.parameters, chosen.stepsInversion, shown)}`;
      const sheet = await drawSheet(layout(rows, columns, pictures, originalPixels, contentPixels, footer), text);
      const frames = columns.map((caption, c) => ({ caption, pixels: pictures[c] }));
      const animation = format && (await drawAnimation(frames, format));
      signal.throwIfAborted();
      await writeWhole(options.out, sheet);
      if (animation) await writeWhole(options.animation!, animation);
      const files = { out: options.out, ...(animation && { animation: options.animation }) };
      return { ...files, model: model.name, ...details, adapter: device.description, seconds: reporter.seconds };
    },
    reporter,
  );
  if (options.json) reporter.result(JSON.stringify(report));
  else for (const file of [options.out, options.animation]) if (file) reporter.result(file);
}

/** The settings in reading order: the last list runs along a row, the one before it down the rows. */
function settings(options: Swept, swept: readonly Axis[]) {
  const label = (axis: Axis, value: number | "off") => `${axes[axis].symbol} ${value}`;
  const across = swept.at(-1)!;
  const down = swept.length > 1 ? swept[0] : undefined;
  const single = Object.fromEntries(
    (Object.keys(axes) as Axis[]).flatMap((axis) => (options[axis]?.length === 1 ? [[axis, options[axis][0]]] : [])),
  );
  const downValues = down ? options[down]! : [undefined];
  const variants = downValues.flatMap((d) =>
    options[across]!.map((a) => ({ ...single, ...(down && { [down]: d }), [across]: a }) as Variant),
  );
  const rows = down ? options[down]!.map((value) => label(down, value)) : [];
  return { rows, columns: options[across]!.map((value) => label(across, value)), variants };
}

function layout(
  rows: readonly string[],
  columns: readonly string[],
  pictures: readonly Pixels[],
  original: Pixels,
  content: Pixels,
  footer: string,
) {
  const side = enlargedSide(original.width, rows.length > 0 ? 128 : 192);
  if (rows.length === 0) {
    const swept = pictures.map((pixels, c) => ({ pixels, caption: columns[c] }));
    return {
      rows: [[{ pixels: original, caption: "original" }, ...swept, { pixels: content, caption: "content" }]],
      side,
      footer,
    };
  }
  const body = rows.map((_, r) =>
    columns.map((caption, c) => ({ pixels: pictures[r * columns.length + c]!, caption })),
  );
  const top = [
    { pixels: original, caption: "original" },
    { pixels: content, caption: "content" },
  ];
  return { rows: [top, ...body], rowLabels: ["", ...rows], side, footer };
}
