import { readFile, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { Command, Option } from "commander";
import type { Pixels } from "../api";
import { UserError } from "../errors";
import { DEFAULT_BATCH } from "../experiments/batches";
import { type ScheduleName, scheduleGamma } from "../experiments/gamma-schedule";
import { type Pair, runGrid } from "../experiments/grid";
import { writeWhole } from "../platform/files-node";
import { decodeImage, writePng } from "../platform/images-node";
import { readPngText } from "../platform/png-text";
import { type CommonOptions, type Context, type Session, withCommonOptions, withSession } from "./context";
import { PartialFailure } from "./failure";
import { type FolderPicture, makeFolder, readFolder } from "./folders";
import {
  type Chosen,
  chooseParameters,
  describe,
  type ParameterOptions,
  withParameterOptions,
} from "./inject-parameters";
import { withBeyondOptions } from "./pair";
import { drawSheet } from "./picture/sheet";
import { provenance } from "./provenance";
import { Talk } from "./talk";
import { gamma, integer } from "./values";

interface Options extends CommonOptions, ParameterOptions {
  readonly contents: string;
  readonly originals: string;
  readonly out: string;
  readonly gamma?: number;
  readonly batch: number;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
  readonly replace?: boolean;
}

/** `injectfusion grid`: every content into every original. */
export function grid(context: Context): Command {
  const command = new Command("grid")
    .description("inject every content of a folder into every original of another; continues where it was stopped")
    .requiredOption("--contents <folder>", "pictures whose shape is injected")
    .requiredOption("--originals <folder>", "pictures that keep their colours and texture")
    .requiredOption("--out <folder>", "where the results, sheet.png and manifest.json go")
    .addOption(new Option("--gamma <value>", "share of the content, 0 to 1").argParser(gamma))
    .addOption(new Option("--batch <n>", "most pairs in a batch").argParser(integer(1, 256)).default(DEFAULT_BATCH))
    .option("--replace", "replace results that were made with other parameters");
  return withCommonOptions(withBeyondOptions(withParameterOptions(command))).action((options: Options) =>
    run(context, options),
  );
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
  const contents = await readFolder(options.contents);
  const originals = await readFolder(options.originals);
  const chosen = chooseParameters(await context.engine(), options, options.gamma);
  await makeFolder(options.out);
  const talk = new Talk(context.terminal, options.quiet);
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
            stepsInversion,
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
  await writeWhole(
    join(options.out, "sheet.png"),
    await contactSheet(
      contents,
      originals,
      (pair) => results.get(files(pair)),
      `${model.name}  ${describe(parameters, stepsInversion)}`,
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
    made = readPngText(bytes).Parameters;
    if (made === text.Parameters) return await decodeImage(bytes, file);
  } catch {
    made = undefined; // no PNG file of ours
  }
  if (replace) return undefined;
  throw new UserError(`${file}: is there, made with other pictures or parameters; give another --out, or --replace`);
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
  return drawSheet({ rows: [top, ...rows], side, footer });
}
