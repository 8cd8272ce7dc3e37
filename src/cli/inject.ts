import { Command, Option } from "commander";
import type { MaskOption, Pixels } from "../api";
import { UserError } from "../errors";
import { type ScheduleName, scheduleGamma } from "../experiments/gamma-schedule";
import type { Inversion } from "../inject/inversion";
import type { OmegaRegion } from "../inject/options";
import { checkWritable, readWhole, writeWhole } from "../platform/files-node";
import { checkPngTarget, decodeImage, decodeMask, writePng } from "../platform/images-node";
import { type CommonOptions, type Context, type Session, stepsTo, withCommonOptions, withSession } from "./context";
import {
  type Chosen,
  chooseParameters,
  describe,
  type ParameterOptions,
  withParameterOptions,
} from "./inject-parameters";
import { checkMask } from "./masks";
import { withBeyondOptions } from "./pair";
import { drawSheet } from "./picture/sheet";
import { nameOf, provenance } from "./provenance";
import { Talk } from "./talk";
import { gamma, omegaRegion } from "./values";

interface Options extends CommonOptions, ParameterOptions {
  readonly content: string[];
  readonly contentInversion: string[];
  readonly original?: string;
  readonly originalInversion?: string;
  readonly out: string;
  readonly gamma: number[];
  readonly mask: string[];
  readonly omegaRegion: ReturnType<typeof omegaRegion>[];
  readonly strip?: string | true;
  readonly saveInversion?: string;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
}

const collect = (value: string, all: string[]): string[] => [...all, value];

/** `injectfusion inject`: the content of one picture, the colours and texture of another. */
export function inject(context: Context): Command {
  const command = new Command("inject")
    .description("inject the content of one picture into another")
    .option("--content <file>", "picture whose shape is injected; repeat it for several", collect, [])
    .option("--original <file>", "picture that keeps its colours and texture")
    .requiredOption("--out <file.png>", "where the result goes")
    .addOption(
      new Option("--gamma <value>", "share of the content, 0 to 1; one for all contents or one for each")
        .argParser((text: string, all: number[]) => [...all, gamma(text)])
        .default([], "the preset's"),
    )
    .option(
      "--mask <file>",
      "where the content acts: white does, black does not (or: official); one for each content",
      collect,
      [],
    )
    .addOption(
      new Option(
        "--omega-region <omega=file>",
        "omega inside a mask, --omega elsewhere (1 where that is off); repeat it, later ones lie on top",
      )
        .argParser((text: string, all: ReturnType<typeof omegaRegion>[]) => [...all, omegaRegion(text)])
        .default([], "none"),
    )
    .option("--content-inversion <file>", "a saved inversion, instead of inverting a content", collect, [])
    .option("--original-inversion <file>", "a saved inversion, instead of inverting the original")
    .option("--save-inversion <prefix>", "keep the inversions as PREFIX-original.inv, PREFIX-content-1.inv, ...")
    .option("--strip [file.png]", "also draw original, content and result side by side (default: OUT-strip.png)");
  return withCommonOptions(withBeyondOptions(withParameterOptions(command))).action((options: Options) =>
    run(context, options),
  );
}

async function run(context: Context, options: Options): Promise<void> {
  const stripFile = options.strip === true ? options.out.replace(/\.png$/i, "-strip.png") : options.strip;
  await checkPngTarget(options.out);
  if (stripFile) await checkPngTarget(stripFile);
  if (options.saveInversion) await checkWritable(`${options.saveInversion}-original.inv`);
  const input = await readInput(options);
  const chosen = chooseParameters(await context.engine(), options, options.gamma[0]);
  const talk = new Talk(context.terminal, options.quiet);
  const report = await withSession(
    context,
    options,
    async (session) => {
      const { model, device, signal } = session;
      const inversions = await invertAll(session, input, chosen, options.tap);
      if (options.saveInversion) await saveAll(inversions, options.saveInversion);
      const gammas = inversions.contents.map((_, k) => options.gamma[k] ?? chosen.parameters.gamma);
      const pixels = await generate(session, inversions, input, gammas, chosen, options);
      const stepsInversion = inversions.original.info.steps; // a saved inversion brings its own
      const details = {
        preset: chosen.preset,
        ...chosen.parameters,
        gamma: gammas.length > 1 ? gammas : gammas[0]!,
        stepsInversion,
        ...(options.tap && { tap: options.tap }),
        ...(options.gammaSchedule !== "constant" && { gammaSchedule: options.gammaSchedule }),
        original: nameOf(input.originalName),
        contents: input.contentNames.map(nameOf),
        masks: options.mask.map(nameOf),
        ...(options.omegaRegion.length > 0 && {
          omegaRegions: options.omegaRegion.map(({ omega, file }) => ({ omega, mask: nameOf(file) })),
        }),
      };
      const text = provenance(model, "inject", details);
      const words = describe(chosen.parameters, stepsInversion, { gamma: gammas.join(", ") });
      const strip = stripFile && (await drawStrip(inversions, pixels, `${model.name}  ${words}`, text));
      signal.throwIfAborted();
      await writePng(options.out, pixels, text);
      if (stripFile && strip) await writeWhole(stripFile, strip);
      const files = { out: options.out, ...(stripFile && { strip: stripFile }) };
      return {
        ...files,
        model: model.name,
        hash: model.hash,
        ...details,
        adapter: device.description,
        seconds: talk.seconds,
      };
    },
    talk,
  );
  if (options.json) talk.result(JSON.stringify(report));
  else for (const file of [options.out, stripFile]) if (file) talk.result(file);
}

/** Everything the user gave, read and checked before any device is opened. */
interface Input {
  readonly original: Pixels | undefined;
  readonly originalName: string;
  readonly originalBytes: Uint8Array | undefined;
  readonly contents: readonly Pixels[];
  readonly contentNames: readonly string[];
  readonly contentBytes: readonly Uint8Array[];
  readonly masks: readonly MaskOption[];
  readonly omegaRegions: readonly OmegaRegion[];
}

async function readInput(options: Options): Promise<Input> {
  const contentNames = [...options.content, ...options.contentInversion];
  const originalName = options.original ?? options.originalInversion;
  const count = contentNames.length;
  if (count === 0) throw new UserError("no content; give --content FILE (or --content-inversion FILE)");
  if (!originalName) throw new UserError("no original; give --original FILE (or --original-inversion FILE)");
  if (options.gamma.length > 1 && options.gamma.length !== count)
    throw new UserError(
      `${options.gamma.length} times --gamma for ${count} content(s); give one for all or one for each`,
    );
  if (options.mask.length > 0 && options.mask.length !== count)
    throw new UserError(`${options.mask.length} times --mask for ${count} content(s); give none or one for each`);
  const original = options.original === undefined ? undefined : await decodeImage(options.original);
  const readMask = async (file: string): Promise<MaskOption> => {
    const mask = file === "official" ? file : await decodeMask(file);
    checkMask(mask, original, file);
    return mask;
  };
  return {
    original,
    originalName,
    originalBytes: original || !options.originalInversion ? undefined : await readWhole(options.originalInversion),
    contents: await Promise.all(options.content.map((file) => decodeImage(file))),
    contentNames,
    contentBytes: await Promise.all(options.contentInversion.map((file) => readWhole(file))),
    masks: await Promise.all(options.mask.map(readMask)),
    omegaRegions: await Promise.all(
      options.omegaRegion.map(async ({ omega, file }) => ({ omega, mask: await readMask(file) })),
    ),
  };
}

interface Inversions {
  readonly original: Inversion;
  readonly contents: readonly Inversion[];
}

/** Inverts what was given as pictures, all in one batch, and loads what was given as saved inversions. */
async function invertAll(
  { model, talk, signal }: Session,
  input: Input,
  chosen: Chosen,
  tap: string | undefined,
): Promise<Inversions> {
  const { faithful, top } = chosen.parameters;
  const pictures = input.original ? [input.original, ...input.contents] : input.contents;
  const options = { steps: chosen.stepsInversion, faithful, top, ...(tap && { tap }), signal };
  const fresh =
    pictures.length === 0
      ? []
      : await talk.phase("invert", async (report) => {
          const batch = await model.invert(pictures, { ...options, onStep: stepsTo(report) });
          return pictures.map((_, i) => batch.select(i));
        });
  const names = input.contentNames.slice(input.contents.length);
  const saved = await Promise.all(input.contentBytes.map((bytes, i) => model.loadInversion(bytes, names[i])));
  if (input.original) return { original: fresh[0]!, contents: [...fresh.slice(1), ...saved] };
  return {
    original: await model.loadInversion(input.originalBytes!, input.originalName),
    contents: [...fresh, ...saved],
  };
}

async function saveAll({ original, contents }: Inversions, prefix: string): Promise<void> {
  await writeWhole(`${prefix}-original.inv`, await original.save());
  for (const [i, content] of contents.entries())
    await writeWhole(`${prefix}-content-${i + 1}.inv`, await content.save());
}

async function generate(
  { model, talk, signal }: Session,
  inversions: Inversions,
  { masks, omegaRegions }: Input,
  gammas: readonly number[],
  { parameters }: Chosen,
  { tap, gammaSchedule }: Pick<Options, "tap" | "gammaSchedule">,
): Promise<Pixels> {
  const contents = inversions.contents.map((inversion, k) => {
    const mask = masks[k];
    return { inversion, gamma: gammas[k]!, ...(mask && { mask }) };
  });
  const { original } = inversions;
  const result = await talk.phase("inject", (report) =>
    model.inject({
      ...parameters,
      original,
      contents,
      ...(omegaRegions.length > 0 && { omegaRegions }),
      ...(tap && { tap }),
      ...(gammaSchedule !== "constant" && { mutate: scheduleGamma(gammaSchedule) }),
      signal,
      onStep: stepsTo(report),
    }),
  );
  try {
    return (await result.toPixels())[0]!;
  } finally {
    result.dispose();
  }
}

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
