import { readFile, stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import type { Pixels } from "../api";
import { UserError } from "../errors";
import { DEFAULT_BATCH } from "../experiments/batches";
import { type ScheduleName, scheduleGamma } from "../experiments/gamma-schedule";
import { type Pair, runGrid } from "../experiments/grid";
import { writeWhole } from "../platform/files-node";
import { decodeImage, writePng } from "../platform/images-node";
import { PARAMETERS, readPngText } from "../platform/png-text";
import {
  type CommonOptions,
  type Context,
  type Session,
  withCommonOptions,
  withExamples,
  withSession,
} from "./context";
import { PartialFailure, UsageError } from "./failure";
import { type FolderPicture, makeFolder, readFolder } from "./folders";
import {
  type Chosen,
  chooseParameters,
  describe,
  noteParameters,
  type ParameterOptions,
  withParameterOptions,
} from "./inject-parameters";
import { withBeyondOptions } from "./pair";
import { drawSheet } from "./picture/sheet";
import { provenance } from "./provenance";
import { Talk } from "./talk";
import { type TargetOptions, withReplaceOption } from "./targets";
import { gamma, integer } from "./values";

interface Options extends CommonOptions, ParameterOptions, TargetOptions {
  readonly contents: string;
  readonly originals: string;
  readonly out: string;
  readonly gamma?: number;
  readonly batch: number;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
}

/** `injectfusion grid`: every content into every original. */
export function grid(context: Context): Command {
  const command = new Command("grid")
    .description("inject every content of a folder into every original of another; continues where it was stopped")
    .optionsGroup("Pictures and results:")
    .requiredOption("--contents <folder>", "pictures that give their shape")
    .requiredOption("--originals <folder>", "pictures that are changed: they keep their colours and texture")
    .requiredOption("--out <folder>", "folder for the results, sheet.png and manifest.json")
    .addOption(new Option("--gamma <value>", "share of the content, 0 to 1").argParser(gamma))
    .addOption(new Option("--batch <n>", "most pairs in a batch").argParser(integer(1, 256)).default(DEFAULT_BATCH));
  withReplaceOption(command, "replace results that were made with other pictures or parameters");
  return withExamples(
    withCommonOptions(withBeyondOptions(withParameterOptions(command))),
    "injectfusion grid --contents A/ --originals B/ --out C/",
    "injectfusion grid --contents A/ --originals B/ --out C/ --gamma 0.6 --replace",
  ).action((options: Options) => run(context, options));
}

/** The files that every run writes anew may replace those of an earlier grid, and nothing else.
 *  @throws UserError for a sheet.png or manifest.json that no grid wrote, unless it may be replaced */
async function checkSummaries({ out, replace }: Options): Promise<void> {
  if (replace) return;
  const isOurs = {
    "sheet.png": (bytes: Buffer) => readPngText(bytes).Software?.startsWith("injectfusion"),
    "manifest.json": (bytes: Buffer) => Array.isArray((JSON.parse(bytes.toString()) as { pairs?: unknown }).pairs),
  };
  for (const [name, test] of Object.entries(isOurs)) {
    const file = join(out, name);
    const bytes = await readFile(file).catch(() => undefined);
    let known = bytes === undefined;
    try {
      known ||= bytes !== undefined && test(bytes) === true;
    } catch {
      // not a file of this kind at all
    }
    if (!known) throw new UserError(`${file}: exists, and no grid wrote it; give another --out, or add --replace`);
  }
}

/** One pair as the manifest lists it. */
interface Entry {
  readonly content: string;
  readonly original: string;
  readonly file: string;
  readonly status: "kept" | "done" | "failed";
  readonly seconds?: number;
  readonly error?: string;
}

async function run(context: Context, options: Options): Promise<void> {
  for (const flag of ["contents", "originals"] as const)
    if (resolve(options[flag]) === resolve(options.out))
      throw new UsageError(`--out ${options.out}: is the folder of --${flag}; give another`);
  const contents = await readFolder(options.contents);
  const originals = await readFolder(options.originals);
  const chosen = chooseParameters(await context.engine(), options, options.gamma);
  const talk = new Talk(context.terminal, options.quiet);
  noteParameters(chosen, talk);
  const oblong = [...contents, ...originals].filter(({ pixels }) => pixels && pixels.width !== pixels.height);
  if (oblong.length > 0)
    talk.note(`${oblong.length} of the pictures are not square: the model sees the centre square of each`);
  await makeFolder(options.out);
  await checkSummaries(options);
  const entries = await withSession(
    context,
    options,
    (session) => runPairs(session, options, chosen, contents, originals),
    talk,
  );
  const failed = entries.filter((entry) => entry.status === "failed");
  const sheet = join(options.out, "sheet.png");
  if (options.json) talk.result(JSON.stringify({ out: options.out, sheet, pairs: entries, seconds: talk.seconds }));
  else talk.result(sheet);
  if (failed.length === 0) return;
  context.terminal.stderr.write(`${failed.length} of ${entries.length} pairs failed\n`);
  throw new PartialFailure();
}

async function runPairs(
  session: Session,
  options: Options,
  chosen: Chosen,
  contents: readonly FolderPicture[],
  originals: readonly FolderPicture[],
): Promise<Entry[]> {
  const { model, talk, signal, device } = session;
  const { parameters, stepsInversion, preset } = chosen;
  const { tap, gammaSchedule } = options;
  const recipe = { preset, ...parameters, stepsInversion, ...(tap && { tap }), gammaSchedule };
  const files = fileNames(contents, originals);
  const textOf = ({ content, original }: Pair) => {
    const [c, o] = [contents[content]!, originals[original]!];
    const names = { original: o.name, content: c.name, digests: [o.digest, c.digest] };
    return provenance(model, "grid", { ...recipe, ...names });
  };
  const entries = new Map<string, Entry>();
  const results = new Map<string, Pixels>();
  const note = (pair: Pair, entry: Pick<Entry, "status" | "seconds" | "error">) => {
    const [content, original] = [contents[pair.content]!.name, originals[pair.original]!.name];
    entries.set(files(pair), { content, original, file: files(pair), ...entry });
  };
  const pairs = originals.flatMap((_, original) => contents.map((_, content) => ({ content, original })));
  const pending: Pair[] = [];
  for (const pair of pairs) {
    const bad = contents[pair.content]!.error ?? originals[pair.original]!.error;
    const kept = bad
      ? undefined
      : await finished(join(options.out, files(pair)), textOf(pair), options.replace === true);
    if (kept) results.set(files(pair), kept);
    if (bad) note(pair, { status: "failed", error: bad.message });
    else if (kept) note(pair, { status: "kept" });
    else pending.push(pair);
  }
  for (const picture of [...contents, ...originals]) if (picture.error) sayFailed(session, picture.error.message);
  if (results.size > 0) talk.say(`${results.size} of ${pairs.length} pairs are there already`);

  const manifest = () =>
    writeWhole(
      join(options.out, "manifest.json"),
      `${JSON.stringify({ model: model.name, hash: model.hash, ...recipe, adapter: device.description, seconds: talk.seconds, pairs: pairs.flatMap((pair) => entries.get(files(pair)) ?? []) }, null, 1)}\n`,
    );
  if (pending.length > 0) {
    let count = 0;
    await talk
      .phase("grid", (report) =>
        runGrid(
          model,
          contents.map((picture) => picture.pixels!),
          originals.map((picture) => picture.pixels!),
          pending,
          {
            parameters,
            batch: options.batch,
            ...(tap && { tap }),
            mutate: scheduleGamma(gammaSchedule),
            signal,
            onInverted: (done, all) => report(Math.round((30 * done) / all), 100), // percent, by rough cost
            onPairs: (done, all) => report(Math.round(30 + (70 * done) / all), 100),
            onPair: async (pair, outcome, seconds) => {
              if ("error" in outcome) {
                note(pair, { status: "failed", error: outcome.error.message });
                sayFailed(session, `${files(pair)}: ${outcome.error.message}`);
                return;
              }
              await writePng(join(options.out, files(pair)), outcome.value, textOf(pair));
              results.set(files(pair), outcome.value);
              note(pair, { status: "done", seconds: Number(seconds.toFixed(3)) });
              if (++count % 16 === 0) await manifest();
            },
          },
        ),
      )
      .finally(manifest);
  }
  await manifest();
  const names = {
    originals: originals.map(({ name }) => name),
    contents: contents.map(({ name }) => name),
  };
  await writeWhole(
    join(options.out, "sheet.png"),
    await contactSheet(
      contents,
      originals,
      (pair) => results.get(files(pair)),
      `${model.name}  ${describe(parameters, stepsInversion)}`,
      provenance(model, "grid sheet", { ...recipe, ...names }),
    ),
  );
  return pairs.flatMap((pair) => entries.get(files(pair)) ?? []);
}

const sayFailed = ({ talk }: Session, message: string): void => {
  talk.terminal.stderr.write(`failed: ${message}\n`);
};

/** The result of a pair that an earlier run finished: same file, same recipe.
 *  @throws UserError for one that was made in another way, unless it may be replaced */
async function finished(file: string, text: Record<string, string>, replace: boolean): Promise<Pixels | undefined> {
  if (!(await stat(file).catch(() => undefined))) return undefined;
  let made: string | undefined;
  const bytes = await readFile(file);
  try {
    made = readPngText(bytes)[PARAMETERS];
    if (made === text[PARAMETERS]) return await decodeImage(bytes, file);
  } catch {
    made = undefined; // no PNG file of ours
  }
  if (replace) return undefined;
  throw new UserError(`${file}: exists, made with other pictures or parameters; give another --out, or add --replace`);
}

/** ORIGINAL--CONTENT.png; with their extensions where two pictures differ in nothing else. */
function fileNames(contents: readonly FolderPicture[], originals: readonly FolderPicture[]): (pair: Pair) => string {
  const stems = (pictures: readonly FolderPicture[]) => {
    const short = pictures.map(({ name }) => basename(name, extname(name)));
    return pictures.map(({ name }, i) =>
      short.indexOf(short[i]!) === short.lastIndexOf(short[i]!) ? short[i]! : name,
    );
  };
  const [c, o] = [stems(contents), stems(originals)];
  return ({ content, original }) => `${o[original]}--${c[content]}.png`;
}

/** Contents along the top, originals down the left, every result where they meet. */
function contactSheet(
  contents: readonly FolderPicture[],
  originals: readonly FolderPicture[],
  resultOf: (pair: Pair) => Pixels | undefined,
  footer: string,
  text: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  const side = Math.max(contents.length, originals.length) > 12 ? 64 : 128;
  const top = [
    { caption: "original \\ content", blank: true },
    ...contents.map(({ pixels, name }) => ({ pixels, caption: name })),
  ];
  const rows = originals.map(({ pixels, name }, original) => [
    { pixels, caption: name },
    ...contents.map((_, content) => {
      const pixels = resultOf({ content, original });
      return { pixels, caption: pixels ? "" : "failed" };
    }),
  ]);
  return drawSheet({ rows: [top, ...rows], side, footer }, text);
}
