import { Command, Option } from "commander";
import type { MaskInput, Pixels } from "../api";
import { UserError } from "../errors";
import { checkWritable, readWhole, writeWhole } from "../platform/files-node";
import { checkPngTarget, decodeImage, decodeMask, writePng } from "../platform/images-node";
import { type CommonOptions, type Context, type Session, stepsTo, withCommonOptions, withSession } from "./context";
import type { EngineInversion } from "./engine";
import { chooseParameters, describe, type ParameterOptions, withParameterOptions } from "./inject-parameters";
import { fitMask } from "./masks";
import { drawSheet } from "./picture/sheet";
import { nameOf, provenance } from "./provenance";
import { Talk } from "./talk";
import { gamma } from "./values";

interface Options extends CommonOptions, ParameterOptions {
  readonly content: string[];
  readonly contentInversion: string[];
  readonly original?: string;
  readonly originalInversion?: string;
  readonly out: string;
  readonly gamma: number[];
  readonly mask: string[];
  readonly strip?: string | true;
  readonly saveInversion?: string;
}

const collect = <T>(value: T, all: T[]): T[] => [...all, value];

/** `injectfusion inject`: the content of one picture, the colours and texture of another. */
export function inject(context: Context): Command {
  const command = new Command("inject")
    .description("inject the content of one picture into another")
    .option("--content <file>", "picture whose shape is injected; repeat it for several", collect<string>, [])
    .option("--original <file>", "picture that keeps its colours and texture")
    .requiredOption("--out <file.png>", "where the result goes")
    .addOption(
      new Option("--gamma <value>", "share of the content, 0 to 1; one for all contents or one for each")
        .argParser((text: string, all: number[]) => [...all, gamma(text)])
        .default([], "the preset's"),
    )
    .option(
      "--mask <file>",
      "where the content acts: white does, black does not; one for each content",
      collect<string>,
      [],
    )
    .option("--content-inversion <file>", "a saved inversion, instead of inverting a content", collect<string>, [])
    .option("--original-inversion <file>", "a saved inversion, instead of inverting the original")
    .option("--save-inversion <prefix>", "keep the inversions as PREFIX-original.inv, PREFIX-content-1.inv, ...")
    .option("--strip [file.png]", "also draw original, content and result side by side (default: OUT-strip.png)");
  return withCommonOptions(withParameterOptions(command)).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  const stripFile = options.strip === true ? options.out.replace(/\.png$/i, "-strip.png") : options.strip;
  await checkPngTarget(options.out);
  if (stripFile) await checkPngTarget(stripFile);
  if (options.saveInversion) await checkWritable(`${options.saveInversion}-original.inv`);
  const input = await readInput(options);
  const engine = await context.engine();
  const chosen = chooseParameters(engine, options, options.gamma[0]);
  const talk = new Talk(context.terminal, options.quiet);
  const { stepsInversion } = chosen;

  const work = async (session: Session) => {
    const { model, device, signal } = session;
    const inversions = await invertAll(session, input, stepsInversion);
    if (options.saveInversion) await saveAll(inversions, options.saveInversion);
    const masked = (i: number) => (input.masks[i] ? { mask: input.masks[i] } : {});
    const several = inversions.contents.length > 1;
    const contents = inversions.contents.map((inversion, i) => {
      const own = options.gamma[i] ?? chosen.parameters.gamma;
      return { inversion, ...(own !== undefined && { gamma: own }), ...masked(i) };
    });
    const result = await talk.phase("inject", (report) =>
      model.inject({
        ...chosen.parameters,
        original: inversions.original,
        ...(several ? { contents } : { content: inversions.contents[0]!, ...masked(0) }),
        signal,
        onStep: stepsTo(report),
      }),
    );
    const pixels = await result.toPixels(0);
    const names = { original: nameOf(input.originalName), contents: input.contentNames.map(nameOf) };
    const gammas = several ? { gamma: contents.map((content) => content.gamma) } : {};
    const details = { ...result.parameters, ...gammas, stepsInversion, ...names, masks: options.mask.map(nameOf) };
    const text = provenance(model, "inject", details);
    const footer = `${model.name}  ${describe({ ...chosen.parameters, ...result.parameters }, stepsInversion)}`;
    const strip = stripFile && (await drawSheet({ rows: [tilesOf(input, pixels)], footer }, text));
    signal.throwIfAborted();
    await writePng(options.out, pixels, text);
    if (stripFile && strip) await writeWhole(stripFile, strip);
    const adapter = device.description;
    return {
      out: options.out,
      ...(stripFile && { strip: stripFile }),
      model: model.name,
      ...details,
      adapter,
      seconds: talk.seconds,
    };
  };
  const report = await withSession(context, options, work, talk);
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
  readonly masks: readonly MaskInput[];
}

async function readInput(options: Options): Promise<Input> {
  const contentNames = [...options.content, ...options.contentInversion];
  const originalName = options.original ?? options.originalInversion;
  if (contentNames.length === 0) throw new UserError("no content; give --content FILE (or --content-inversion FILE)");
  if (!originalName) throw new UserError("no original; give --original FILE (or --original-inversion FILE)");
  const count = contentNames.length;
  if (options.gamma.length > 1 && options.gamma.length !== count)
    throw new UserError(
      `${options.gamma.length} times --gamma for ${count} content(s); give one for all or one for each`,
    );
  if (options.mask.length > 0 && options.mask.length !== count)
    throw new UserError(`${options.mask.length} times --mask for ${count} content(s); give none or one for each`);
  if (options.strip && (options.contentInversion.length > 0 || !options.original))
    throw new UserError("--strip shows the pictures themselves, which a saved inversion does not hold; leave it out");
  const original = options.original === undefined ? undefined : await decodeImage(options.original);
  const fitted = async (file: string) => fitMask(await decodeMask(file), original, file);
  return {
    original,
    originalName,
    originalBytes: original || !options.originalInversion ? undefined : await readWhole(options.originalInversion),
    contents: await Promise.all(options.content.map((file) => decodeImage(file))),
    contentNames,
    contentBytes: await Promise.all(options.contentInversion.map((file) => readWhole(file))),
    masks: await Promise.all(options.mask.map(fitted)),
  };
}

interface Inversions {
  readonly original: EngineInversion;
  readonly contents: readonly EngineInversion[];
}

/** Inverts what was given as pictures, all in one batch, and loads what was given as saved inversions. */
async function invertAll({ model, talk, signal }: Session, input: Input, steps: number): Promise<Inversions> {
  const pictures = input.original ? [input.original, ...input.contents] : input.contents;
  const fresh =
    pictures.length === 0
      ? []
      : await talk.phase("invert", async (report) => {
          const batch = await model.invert(pictures, { steps, signal, onStep: stepsTo(report) });
          return pictures.map((_, i) => batch.select(i));
        });
  const saved = await Promise.all(input.contentBytes.map((bytes) => model.loadInversion(bytes)));
  const original = input.original ? fresh[0]! : await model.loadInversion(input.originalBytes!);
  return { original, contents: [...(input.original ? fresh.slice(1) : fresh), ...saved] };
}

async function saveAll({ original, contents }: Inversions, prefix: string): Promise<void> {
  await writeWhole(`${prefix}-original.inv`, await original.save());
  for (const [i, content] of contents.entries())
    await writeWhole(`${prefix}-content-${i + 1}.inv`, await content.save());
}

function tilesOf({ original, contents }: Input, result: Pixels) {
  const caption = (i: number) => (contents.length > 1 ? `content ${i + 1}` : "content");
  return [
    { pixels: original, caption: "original" },
    ...contents.map((pixels, i) => ({ pixels, caption: caption(i) })),
    { pixels: result, caption: "result" },
  ];
}
