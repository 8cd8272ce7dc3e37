import { Command, Option } from "commander";
import type { MaskOption, Pixels } from "../api";
import { UserError } from "../errors";
import { type ScheduleName, scheduleGamma } from "../experiments/gamma-schedule";
import { withHooks } from "../inject/hooks";
import type { Inversion } from "../inject/inversion";
import { inversionOf } from "../inject/inversion-options";
import type { Model } from "../inject/model";
import type { DirectionInput, InjectOptions, OmegaRegion } from "../inject/options";
import { pasteBack } from "../inject/paste";
import { printPlan } from "../inject/plan";
import { readWhole, writeWhole } from "../platform/files-node";
import { writePng } from "../platform/images-node";
import {
  COMPILING,
  type CommonOptions,
  type Context,
  type Session,
  stepsTo,
  withCommonOptions,
  withExamples,
  withSession,
} from "./context";
import { naming, UsageError } from "./failure";
import { noteUnfamiliar } from "./familiar";
import {
  type Chosen,
  chooseParameters,
  describe,
  noteParameters,
  type ParameterOptions,
  withParameterOptions,
} from "./inject-parameters";
import { withTapOptions } from "./pair";
import { drawSheet } from "./picture/sheet";
import {
  isPlaced,
  type PlacementOptions,
  type Placing,
  pictureKey,
  placeAll,
  type ToPlace,
  withPlacementOptions,
} from "./placement";
import { nameOf, provenance } from "./provenance";
import { inputFiles, readMask, readPicture } from "./read-picture";
import { Reporter } from "./reporter";
import { checkPngName, checkTargets, type TargetOptions, withReplaceOption } from "./targets";
import { direction, gamma, list, omegaRegion, scale, within } from "./values";

interface Options extends CommonOptions, ParameterOptions, TargetOptions, PlacementOptions {
  readonly content?: string[];
  readonly contentInversion?: string[];
  readonly original?: string;
  readonly originalInversion?: string;
  readonly out: string;
  readonly plan?: boolean;
  readonly gamma?: number[];
  readonly mask?: string[];
  readonly omegaRegion?: ReturnType<typeof omegaRegion>[];
  readonly direction?: ReturnType<typeof direction>[];
  readonly scale: readonly number[];
  readonly keepNorm: boolean;
  readonly strip?: string | true;
  readonly paste?: string | true;
  readonly feather: number;
  readonly saveInversion?: string;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
}

/** Gathers the values of a flag that may be repeated. */
const collect =
  <T>(parse: (text: string) => T) =>
  (text: string, all: T[] = []): T[] => [...all, parse(text)];
const collectText = collect((text) => text);

/** `injectfusion inject`: the content of one picture with the colours and texture of another. */
export function inject(context: Context): Command {
  const command = new Command("inject")
    .description("inject the content of one picture into another")
    .optionsGroup("Pictures (files, - for stdin, or addresses; centre square used unless placed):")
    .option("--content <file>", "picture that gives its shape; repeat it for several", collectText)
    .option("--original <file>", "picture that is changed: it keeps its colours and texture")
    .option(
      "--mask <file>",
      "where the content acts: white does, black does not (or: official); one for each content",
      collectText,
    )
    .option("--content-inversion <file>", "a saved inversion in place of a content", collectText)
    .addOption(
      new Option("--original-inversion <file>", "a saved inversion in place of the original").conflicts("original"),
    );
  withPlacementOptions(command, ["content", "original", "content-inversion", "original-inversion"])
    .optionsGroup("Results:")
    .option("--out <file.png>", "result")
    .option("--strip [file.png]", "original, content and result side by side (default: OUT-strip.png)")
    .option("--paste [file.png]", "the result back in the original photo (default: OUT-photo.png)")
    .addOption(
      new Option("--feather <share>", "share of the square over which --paste fades into the photo")
        .argParser(within(0, 0.5))
        .default(0.1),
    )
    .option("--save-inversion <prefix>", "inversions as PREFIX-original.inv, PREFIX-content-1.inv, ...")
    .option("--plan", "print every step of the runs instead (with --json: as JSON), and stop");
  withReplaceOption(command)
    .optionsGroup("Strength:")
    .addOption(
      new Option(
        "--gamma <value>",
        "share of the content, 0 to 1; one for all contents or one for each (default: the preset's)",
      ).argParser(collect(gamma)),
    )
    .addOption(
      new Option(
        "--omega-region <omega=file>",
        "omega inside a mask; --omega holds elsewhere (1 where that is off); repeat it, later ones lie on top",
      ).argParser(collect(omegaRegion)),
    );
  command
    .optionsGroup("Directions (docs/methods.md):")
    .addOption(
      new Option(
        "--direction <file:k>",
        "add the k-th direction of a file of injectfusion directions, beside contents or alone; repeat it for more",
      ).argParser(collect(direction)),
    )
    .addOption(
      new Option("--scale <list>", "how far along the directions; several make a sheet (-3:3:7)")
        .argParser(list(scale))
        .default([1], "1"),
    )
    .option("--no-keep-norm", "do not scale h back to its norm afterwards");
  withCommonOptions(withTapOptions(withParameterOptions(command)));
  return withExamples(
    command,
    "injectfusion inject --content a.jpg --original b.png --out c.png --strip",
    "injectfusion inject --original b.png --direction pca.safetensors:2 --scale -3:3:7 --out sheet.png",
    "injectfusion inject --content a.jpg --original b.png --out c.png --gamma 0.6 --mask left-half.png",
    "injectfusion inject --content a.jpg --content b.jpg --gamma 0.3 --gamma 0.5 --original o.png --out c.png",
    "injectfusion inject --content a.jpg --original photo.jpg --eyes 280,200,350,205 --out c.png --paste",
    "injectfusion inject --content a.jpg --original b.png --out c.png --model celebahq   # downloads 455 MB once",
  ).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  if (!options.plan && options.out === undefined)
    throw new UsageError("required option '--out <file.png>' not specified");
  const stripFile = options.strip === true ? options.out?.replace(/\.png$/i, "-strip.png") : options.strip;
  const pasteFile = options.paste === true ? options.out?.replace(/\.png$/i, "-photo.png") : options.paste;
  const reporter = new Reporter(context.terminal, options.quiet);
  checkCounts(options);
  if (!options.plan) await checkFiles(options, { "--strip": stripFile, "--paste": pasteFile });
  const chosen = chooseParameters(await context.engine(), options, options.gamma?.[0]);
  noteParameters(chosen, reporter);
  const input = await readInput(options, reporter);
  if (options.plan) return printPlans(context, options, input, chosen, reporter);
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, device, signal } = session;
      const inversions = await invertAll(session, input, chosen, options.tap);
      if (options.saveInversion) await saveAll(inversions, options.saveInversion);
      const gammas = inversions.contents.map((_, k) => options.gamma?.[k] ?? chosen.parameters.gamma);
      const directions = await loadDirections(model, input.directions, options);
      const pictures: Pixels[] = [];
      for (const scale of options.direction ? options.scale : [1])
        pictures.push(await generate(session, inversions, input, gammas, chosen, options, scaled(directions, scale)));
      for (const { of } of directions) of.dispose();
      const pixels = pictures[0]!;
      const stepsInversion = inversions.original.info.steps; // a saved inversion has its own
      if (options.stepsInversion && options.stepsInversion !== stepsInversion)
        reporter.note(
          `--steps-inversion ${options.stepsInversion} does not apply: the ${chosen.parameters.method === "ddim" ? "saved" : "exact"} inversion has ${stepsInversion}`,
        );
      const details = {
        preset: chosen.preset,
        ...chosen.parameters,
        gamma: gammas.length > 1 ? gammas : gammas[0]!,
        stepsInversion,
        ...(options.tap && { tap: options.tap }),
        ...(options.gammaSchedule !== "constant" && { gammaSchedule: options.gammaSchedule }),
        original: nameOf(input.originalName),
        contents: input.contentNames.map(nameOf),
        ...(input.original?.placement && { originalSquare: input.original.placement }),
        ...(input.contents.some(({ placement }) => placement) && {
          contentSquares: input.contents.map(({ placement }) => placement ?? null),
        }),
        masks: (options.mask ?? []).map(nameOf),
        ...(options.direction && {
          directions: options.direction.map(({ file, component }) => `${nameOf(file)}:${component}`),
          scale: options.scale,
          keepNorm: options.keepNorm,
        }),
        ...(options.omegaRegion && {
          omegaRegions: options.omegaRegion.map(({ omega, file }) => ({ omega, mask: nameOf(file) })),
        }),
      };
      const text = provenance(model, "inject", details);
      const words = describe(chosen.parameters, stepsInversion, { gamma: gammas.join(", ") });
      const strip = stripFile && (await drawStrip(inversions, pixels, `${model.name}  ${words}`, text));
      signal.throwIfAborted();
      if (pictures.length > 1)
        await writeWhole(options.out, await drawScales(pictures, options.scale, `${model.name}  ${words}`, text));
      else await writePng(options.out, pixels, text);
      if (stripFile && strip) await writeWhole(stripFile, strip);
      if (pasteFile) {
        const { image, placement } = input.original!;
        await writePng(
          pasteFile,
          await pasteBack(device, image, pixels, { placement, feather: options.feather }),
          text,
        );
      }
      const files = {
        out: options.out,
        ...(stripFile && { strip: stripFile }),
        ...(pasteFile && { paste: pasteFile }),
      };
      return {
        ...files,
        model: model.name,
        hash: model.hash,
        ...details,
        adapter: device.description,
        seconds: reporter.seconds,
      };
    },
    reporter,
  );
  if (options.json) reporter.result(JSON.stringify(report));
  else for (const file of [options.out, stripFile, pasteFile]) if (file) reporter.result(file);
}

/** All input, read and checked before any device is opened. */
interface Input {
  readonly original: Placing | undefined;
  readonly originalName: string;
  readonly originalBytes: Uint8Array | undefined;
  readonly contents: readonly Placing[];
  readonly contentNames: readonly string[];
  readonly contentBytes: readonly Uint8Array[];
  readonly masks: readonly MaskOption[];
  readonly omegaRegions: readonly OmegaRegion[];
  readonly directions: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

/** @throws UsageError unless there is an original, a content, and one value for all contents or one for each */
function checkCounts(options: Options): void {
  const { content = [], contentInversion = [], original, originalInversion, gamma, mask, paste } = options;
  const count = content.length + contentInversion.length;
  if (options.direction && options.scale.length > 1 && (paste || options.strip || options.plan))
    throw new UsageError("--scale with several values makes a sheet; leave out --strip, --paste and --plan");
  if (count === 0 && !options.direction)
    throw new UsageError("no content; give --content FILE (or --content-inversion FILE)");
  if (!original && !originalInversion)
    throw new UsageError("no original; give --original FILE (or --original-inversion FILE)");
  if (paste && !original) throw new UsageError("--paste: needs the photo itself; give --original FILE");
  const contents = `${count} ${count === 1 ? "content" : "contents"}`;
  if (gamma && gamma.length > 1 && gamma.length !== count)
    throw new UsageError(`--gamma: given ${gamma.length} times for ${contents}; give one for all or one for each`);
  if (mask && mask.length !== Math.max(1, count))
    throw new UsageError(`--mask: given ${mask.length} times for ${contents}; give none or one for each`);
}

async function checkFiles(options: Options, more: Readonly<Record<string, string | undefined>>): Promise<void> {
  const prefix = options.saveInversion;
  const count = (options.content?.length ?? 0) + (options.contentInversion?.length ?? 0);
  const pictures = Object.entries({ "--out": options.out, ...more }).flatMap(([flag, file]) =>
    file === undefined ? [] : [{ flag, file }],
  );
  const saved = prefix === undefined ? [] : savedNames(prefix, count);
  const inputs = inputFiles(
    ["--content", options.content],
    ["--original", options.original],
    ["--mask", options.mask?.filter((file) => file !== "official")],
    ["--content-inversion", options.contentInversion],
    ["--original-inversion", options.originalInversion],
    ["--direction", options.direction?.map(({ file }) => file)],
    ["--omega-region", options.omegaRegion?.map(({ file }) => file)],
    ["--model", options.model],
  );
  for (const picture of pictures) checkPngName(picture);
  await checkTargets([...pictures, ...saved.map((file) => ({ flag: "--save-inversion", file }))], inputs, options);
}

const savedNames = (prefix: string, contents: number): string[] => [
  `${prefix}-original.inv`,
  ...Array.from({ length: contents }, (_, i) => `${prefix}-content-${i + 1}.inv`),
];

async function readInput(options: Options, reporter: Reporter): Promise<Input> {
  const { content = [], contentInversion = [], mask = [], omegaRegion: regions = [], originalInversion } = options;
  const pictures: ToPlace[] = [];
  const take = async (flag: string, file: string, n: number) => {
    const key = pictureKey(flag, n);
    const pixels = await readPicture({ flag: `--${flag}`, file }, reporter, isPlaced(key, options));
    pictures.push({ key, name: nameOf(file), pixels });
    return pixels;
  };
  const original = options.original === undefined ? undefined : await take("original", options.original, 1);
  for (const [k, file] of content.entries()) await take("content", file, k + 1);
  const placed = await placeAll(pictures, options, reporter);
  const read = (flag: string) => (file: string) => naming(flag, () => readInversion(file));
  return {
    original: original && placed[0],
    originalName: options.original ?? originalInversion!,
    originalBytes: originalInversion === undefined ? undefined : await read("--original-inversion")(originalInversion),
    contents: placed.slice(original ? 1 : 0),
    contentNames: [...content, ...contentInversion],
    contentBytes: await Promise.all(contentInversion.map(read("--content-inversion"))),
    masks: await Promise.all(mask.map((file) => readMask({ flag: "--mask", file }, original))),
    directions: await Promise.all(
      (options.direction ?? []).map(async ({ file }) => ({
        name: nameOf(file),
        bytes: await naming("--direction", () => readWhole(file, "directions")),
      })),
    ),
    omegaRegions: await Promise.all(
      regions.map(async ({ omega, file }) => ({
        omega,
        mask: await readMask({ flag: "--omega-region", file }, original),
      })),
    ),
  };
}

/** @throws UserError for a file that is no safetensors file, as saved inversions are */
async function readInversion(file: string): Promise<Uint8Array> {
  const bytes = await readWhole(file, "a saved inversion");
  const header = bytes.length > 9 && new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (header && header + 8n <= BigInt(bytes.length) && bytes[8] === "{".charCodeAt(0)) return bytes;
  throw new UserError(`${file}: is no saved inversion; make one with --save-inversion`);
}

interface Inversions {
  readonly original: Inversion;
  readonly contents: readonly Inversion[];
}

/** Inverts what was given as pictures, all in one batch, and loads what was given as saved inversions. */
async function invertAll(
  { model, reporter, signal }: Session,
  input: Input,
  chosen: Chosen,
  tap: string | undefined,
): Promise<Inversions> {
  const pictures = input.original ? [input.original, ...input.contents] : input.contents;
  const names = (input.original ? [input.originalName, ...input.contentNames] : input.contentNames).map(nameOf);
  const options = { ...inversionOf(chosen.parameters), ...(tap && { tap }), signal };
  const fresh =
    pictures.length === 0
      ? []
      : await reporter.phase(
          "invert",
          async (report) => {
            const batch = await model.invert(pictures, { ...options, onStep: stepsTo(report) });
            await noteUnfamiliar(batch, names.slice(0, pictures.length), reporter);
            return pictures.map((_, i) => batch.select(i));
          },
          COMPILING,
        );
  const load = (flag: string, bytes: Uint8Array, name: string) => naming(flag, () => model.loadInversion(bytes, name));
  const loaded = input.contentNames.slice(input.contents.length);
  const saved = await Promise.all(input.contentBytes.map((bytes, i) => load("--content-inversion", bytes, loaded[i]!)));
  if (input.original) return { original: fresh[0]!, contents: [...fresh.slice(1), ...saved] };
  return {
    original: await load("--original-inversion", input.originalBytes!, input.originalName),
    contents: [...fresh, ...saved],
  };
}

async function saveAll({ original, contents }: Inversions, prefix: string): Promise<void> {
  const names = savedNames(prefix, contents.length);
  for (const [i, inversion] of [original, ...contents].entries()) await writeWhole(names[i]!, await inversion.save());
}

/** Prints the plans of the inversion and the injection. Nothing runs. */
async function printPlans(
  context: Context,
  options: Options,
  input: Input,
  chosen: Chosen,
  reporter: Reporter,
): Promise<void> {
  const plans = await withSession(
    context,
    options,
    async ({ model }) => {
      const saved = await Promise.all(input.contentBytes.map((bytes) => model.loadInversion(bytes)));
      const contents = [...input.contents, ...saved];
      const original = input.original ?? (await model.loadInversion(input.originalBytes!));
      const gammas = contents.map((_, k) => options.gamma?.[k] ?? chosen.parameters.gamma);
      const directions = scaled(await loadDirections(model, input.directions, options), options.scale[0]!);
      return model.planInject(injectOptions(original, contents, input, gammas, chosen, options, directions));
    },
    reporter,
  );
  reporter.result(options.json ? JSON.stringify(plans) : plans.map(printPlan).join("\n\n"));
}

/** The options of the run, for `Model.inject`. */
function injectOptions(
  original: Inversion | Placing,
  sources: readonly (Inversion | Placing)[],
  { masks, omegaRegions }: Pick<Input, "masks" | "omegaRegions">,
  gammas: readonly number[],
  { parameters }: Chosen,
  { tap, gammaSchedule }: Pick<Options, "tap" | "gammaSchedule">,
  directions: readonly DirectionInput[],
): InjectOptions {
  const contents = sources.map((inversion, k) => {
    const mask = masks[k];
    return { inversion, gamma: gammas[k]!, ...(mask && { mask }) };
  });
  const alone = contents.length === 0 && masks[0] ? { mask: masks[0] } : {}; // a mask of no content is the directions'
  const run = {
    ...parameters,
    original,
    contents,
    ...(omegaRegions.length > 0 && { omegaRegions }),
    ...(directions.length > 0 && { directions: directions.map((one) => ({ ...one, ...alone })) }),
    ...(tap && { tap }),
  };
  return withHooks(run, gammaSchedule === "constant" ? {} : { mutate: scheduleGamma(gammaSchedule) });
}

async function generate(
  { model, reporter, signal }: Session,
  { original, contents }: Inversions,
  input: Input,
  gammas: readonly number[],
  chosen: Chosen,
  options: Options,
  directions: readonly DirectionInput[],
): Promise<Pixels> {
  const run = injectOptions(original, contents, input, gammas, chosen, options, directions);
  const result = await reporter.phase(
    "inject",
    (report) => model.inject({ ...run, signal, onStep: stepsTo(report) }),
    COMPILING,
  );
  try {
    return (await result.toPixels())[0]!;
  } finally {
    result.dispose();
  }
}

/** The directions asked for, of the files read. A mask, where one is given for all, is theirs too. */
async function loadDirections(
  model: Model,
  files: Input["directions"],
  { direction = [], keepNorm }: Options,
): Promise<Omit<DirectionInput, "scale">[]> {
  return Promise.all(
    files.map(async ({ name, bytes }, i) => {
      const of = await naming("--direction", () => model.loadDirections(bytes, name));
      const { component } = direction[i]!;
      if (component > of.count)
        throw new UsageError(`--direction ${name}:${component}: the file holds ${of.count}, counted from 1`);
      return { of, component: component - 1, keepNorm };
    }),
  );
}

const scaled = (directions: readonly Omit<DirectionInput, "scale">[], scale: number): DirectionInput[] =>
  directions.map((one) => ({ ...one, scale }));

/** Results along directions, side by side. */
const drawScales = (
  pictures: readonly Pixels[],
  scales: readonly number[],
  footer: string,
  text: Record<string, string>,
) => drawSheet({ rows: [pictures.map((pixels, i) => ({ pixels, caption: `scale ${scales[i]}` }))], footer }, text);

/** Original, contents and result as the network sees them, side by side. */
async function drawStrip(inversions: Inversions, result: Pixels, footer: string, text: Record<string, string>) {
  const { original, contents } = inversions;
  const tile = async (inversion: Inversion, caption: string) => ({ pixels: (await inversion.toPixels())[0]!, caption });
  const many = contents.length > 1;
  const row = [
    await tile(original, "original"),
    ...(await Promise.all(contents.map((content, k) => tile(content, many ? `content ${k + 1}` : "content")))),
    { pixels: result, caption: "result" },
  ];
  return drawSheet({ rows: [row], footer }, text);
}
