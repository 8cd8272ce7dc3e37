import { Command, Option } from "commander";
import type { InjectParameters, Pixels } from "../api";
import { DEFAULT_BATCH } from "../experiments/batches";
import { mixVectors, rules } from "../experiments/correlation";
import { inversionOf } from "../inject/inversion-options";
import { cosine, norm, pearson } from "../metrics/statistics";
import { writeWhole } from "../platform/files-node";
import { AXES, type Axis, type Cell, compareAlong } from "./compare-along";
import {
  type CommonOptions,
  type Context,
  type Session,
  stepsTo,
  withCommonOptions,
  withExamples,
  withSession,
} from "./context";
import {
  type Chosen,
  chooseParameters,
  describe,
  type ParameterOptions,
  withParameterOptions,
} from "./inject-parameters";
import { invertPair, type PairOptions, pairFiles, type ReadPair, readPair, runPair, withPairOptions } from "./pair";
import { drawSheet, enlargedSide } from "./picture/sheet";
import { nameOf, provenance } from "./provenance";
import { Reporter } from "./reporter";
import { csv } from "./table";
import { checkPngName, checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { gamma, integer } from "./values";

interface Options extends CommonOptions, ParameterOptions, PairOptions, TargetOptions {
  readonly of: "rules" | Axis;
  readonly taps?: readonly string[];
  readonly out: string;
  readonly gamma?: number;
  readonly batch: number;
}

/** In the paper's order, from worst to best. */
const order = ["replace", "add", "lerp", "slerpRaw", "slerp"] as const satisfies readonly InjectParameters["rule"][];

/** `injectfusion compare`: what each part of the method does to one pair. */
export function compare(context: Context): Command {
  const command = new Command("compare")
    .description("one pair with every mixing rule, with and without calibration and boosting, side by side")
    .optionsGroup("Comparison:")
    .addOption(
      new Option(
        "--of <what>",
        "what to compare: mixing rules, taps to inject at, gamma schedules, or methods of inversion",
      )
        .choices(["rules", ...AXES])
        .default("rules"),
    )
    .addOption(
      new Option(
        "--taps <list>",
        "with --of taps: which tensors (default: the middle and each decoder level)",
      ).argParser((text) => text.split(",")),
    )
    .addOption(new Option("--gamma <value>", "share of the content, 0 to 1").argParser(gamma))
    .optionsGroup("Results:")
    .requiredOption("--out <file.png>", "sheet; OUT.csv beside it holds figures: of rules, norms and correlations of h")
    .addOption(new Option("--batch <n>", "most settings in a batch").argParser(integer(1, 256)).default(DEFAULT_BATCH));
  withParameterOptions(withPairOptions(withReplaceOption(command)), ["rule"]);
  return withExamples(
    withCommonOptions(command),
    "injectfusion compare --content a.jpg --original b.png --out rules.png",
    "injectfusion compare --of taps --content a.jpg --original b.png --out taps.png",
  ).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  const reporter = new Reporter(context.terminal, options.quiet);
  const out = { flag: "--out", file: options.out };
  checkPngName(out);
  await checkTargets([out, { flag: "--out (its table)", file: tableOf(options.out) }], pairFiles(options), options);
  const pair = await readPair(options, reporter);
  const chosen = chooseParameters(await context.engine(), options, options.gamma);
  if (options.of !== "rules") return sheetAlong(context, options, options.of, pair, chosen, reporter);
  const { omega, tBoost, tEdit } = chosen.parameters;
  const on = { omega: omega === "off" ? 0.3 : omega, tBoost: tBoost > 0 ? tBoost : Math.min(200, tEdit) };
  const settings = [
    { name: "neither", omega: "off", tBoost: 0 },
    { name: `ω ${on.omega}`, omega: on.omega, tBoost: 0 },
    { name: `t_boost ${on.tBoost}`, omega: "off", tBoost: on.tBoost },
    { name: "both", ...on },
  ] as const;
  const variants = settings.flatMap(({ name: _, ...setting }) => order.map((rule) => ({ ...setting, rule })));
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, device, signal } = session;
      const { run, contentPixels, originalPixels } = await invertPair(session, pair, options, chosen);
      const pictures = await runPair(session, "compare", variants, { ...run, batch: options.batch });
      const steps = await bottleneckRows(session, pair, options, chosen);
      run.content.dispose();
      run.original.dispose();
      const names = { original: nameOf(options.original), content: nameOf(options.content) };
      const details = { ...chosen.parameters, ...on, rules: order, stepsInversion: chosen.stepsInversion, ...names };
      const sheet = await drawSheet(
        layout(
          settings.map(({ name }) => name),
          pictures,
          originalPixels,
          contentPixels,
          `${model.name}  ${describe(chosen.parameters, chosen.stepsInversion, { omega: "as shown", tBoost: "as shown" })}`,
        ),
        provenance(model, "compare", details),
      );
      signal.throwIfAborted();
      const table = tableOf(options.out);
      await writeWhole(options.out, sheet);
      await writeWhole(
        table,
        csv(
          Object.keys(steps[0]!),
          steps.map((row) => Object.values(row)),
        ),
      );
      return {
        out: options.out,
        table,
        model: model.name,
        ...details,
        steps,
        adapter: device.description,
        seconds: reporter.seconds,
      };
    },
    reporter,
  );
  if (options.json) reporter.result(JSON.stringify(report));
  else for (const file of [report.out, report.table]) reporter.result(file);
}

/** The figures beside a sheet: C.csv of C.png. */
const tableOf = (out: string): string => `${out.replace(/\.png$/i, "")}.csv`;

/** Taps, schedules or methods, each at three gammas, with figures under every picture. */
async function sheetAlong(
  context: Context,
  options: Options,
  axis: Axis,
  pair: ReadPair,
  chosen: Chosen,
  reporter: Reporter,
): Promise<void> {
  const table = tableOf(options.out);
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, signal } = session;
      const { original, content, rows, cells } = await compareAlong(session, axis, pair, options, chosen);
      const words = describe(chosen.parameters, chosen.stepsInversion, { gamma: "as shown" });
      const footer = `${model.name}  ${words}  edges: 0 as the original, 1 as the content`;
      const names = { original: nameOf(options.original), content: nameOf(options.content) };
      const details = { of: axis, rows, ...chosen.parameters, stepsInversion: chosen.stepsInversion, ...names };
      const sheet = await drawSheet(
        { ...axisTiles(original, content, rows, cells), footer },
        provenance(model, "compare", details),
      );
      const figures = cells.map(({ pixels: _, ...figures }) => figures);
      signal.throwIfAborted();
      await writeWhole(options.out, sheet);
      await writeWhole(
        table,
        csv(
          Object.keys(figures[0]!),
          figures.map((row) => Object.values(row)),
        ),
      );
      return { out: options.out, table, model: model.name, ...details, cells: figures, seconds: reporter.seconds };
    },
    reporter,
  );
  if (options.json) reporter.result(JSON.stringify(report));
  else for (const file of [options.out, table]) reporter.result(file);
}

function axisTiles(original: Pixels, content: Pixels, rows: readonly string[], cells: readonly Cell[]) {
  const top = [
    { pixels: original, caption: "original" },
    { pixels: content, caption: "content" },
  ];
  const body = rows.map((row) =>
    cells
      .filter((cell) => cell.row === row)
      .map(({ pixels, gamma, towardContent, paletteOriginal }) => ({
        pixels,
        caption: `γ ${gamma}: edges ${towardContent.toFixed(2)} palette ${paletteOriginal.toFixed(1)}`,
      })),
  );
  return { rows: [top, ...body], rowLabels: ["", ...rows], side: enlargedSide(original.width, 192) };
}

function layout(
  rows: readonly string[],
  pictures: readonly Pixels[],
  original: Pixels,
  content: Pixels,
  footer: string,
) {
  const side = enlargedSide(original.width, 128);
  const body = rows.map((_, r) => order.map((caption, c) => ({ caption, pixels: pictures[r * order.length + c]! })));
  const top = [
    { pixels: original, caption: "original" },
    { pixels: content, caption: "content" },
  ];
  return { rows: [top, ...body], rowLabels: ["", ...rows], side, footer };
}

/** h of the inverted pair at every time step, h~ of every rule, and how they go with the original's skip g: norms, the
 *  cosine of both h, and r of |.| and |g| over the places of the map. All from the inversions' own trajectories: what a
 *  first injection at that t would meet. */
async function bottleneckRows({ model, reporter, signal }: Session, pair: ReadPair, options: Options, chosen: Chosen) {
  const { h, g } = model.network.unet(1);
  const pictures = [pair.original, pair.content];
  const keep = async (tap: string) =>
    reporter.phase(tap === h ? "invert (h)" : "invert (skip)", (report) =>
      model.invert(pictures, { ...inversionOf(chosen.parameters), tap, signal, onStep: stepsTo(report) }),
    );
  const [ofH, ofG] = [await keep(h), await keep(g)];
  const share = options.gamma ?? chosen.parameters.gamma;
  const rows: Record<string, number>[] = [];
  for (const t of ofH.times) {
    const [own, other] = halves(await ofH.readH(t));
    const [skip] = halves(await ofG.readH(t));
    const places = ofH.info.h[1] * ofH.info.h[2];
    const skipMap = placeNorms(skip, places);
    const row: Record<string, number> = {
      t,
      h: norm(own),
      content: norm(other),
      g: norm(skip),
      cosine: cosine(own, other),
    };
    row.r = pearson(placeNorms(own, places), skipMap);
    for (const rule of rules) {
      const mixed = mixVectors(rule, own, other, share);
      row[`${rule}_norm`] = norm(mixed);
      row[`${rule}_r`] = pearson(placeNorms(mixed, places), skipMap);
    }
    rows.push(row);
  }
  ofH.dispose();
  ofG.dispose();
  return rows;
}

const halves = (values: Float32Array): [Float32Array, Float32Array] => [
  values.subarray(0, values.length / 2),
  values.subarray(values.length / 2),
];

/** Norm over channels at every place: [C, places] -> [places]. */
function placeNorms(values: ArrayLike<number>, places: number): Float64Array {
  const squares = new Float64Array(places);
  for (let i = 0; i < values.length; i++) squares[i % places]! += values[i]! ** 2;
  return squares.map(Math.sqrt);
}
