import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { DEFAULT_BATCH } from "../experiments/batches";
import { type Block, pairsIn, shardBlock, wholeGrid } from "../experiments/blocks";
import type { ScheduleName } from "../experiments/gamma-schedule";
import { type CommonOptions, type Context, withCommonOptions, withExamples, withSession } from "./context";
import { PartialFailure, UsageError } from "./failure";
import { makeFolder } from "./folders";
import { checkShards, headOf, manifestName, writeManifest } from "./grid-manifest";
import { mergeGrid } from "./grid-merge";
import { GridFiles, type GridPlan, listSides, planDigest, planGrid, sizeOf } from "./grid-plan";
import type { GridRecord } from "./grid-record";
import { checkSummaries, countFinished, isLarge, type KeepOptions, makePairs, openKeeper } from "./grid-run";
import { writeSheet } from "./grid-sheet";
import { chooseParameters, noteParameters, type ParameterOptions, withParameterOptions } from "./inject-parameters";
import { withTapOptions } from "./pair";
import { Reporter } from "./reporter";
import { resolveShard, type ShardOption, shardOption } from "./shards";
import { type TargetOptions, withReplaceOption } from "./targets";
import { bytes, gamma, integer } from "./values";

export interface GridFlags extends CommonOptions, ParameterOptions, TargetOptions, KeepOptions {
  readonly contents: string;
  readonly originals: string;
  readonly out: string;
  readonly gamma?: number;
  readonly tap?: string;
  readonly gammaSchedule: ScheduleName;
  readonly shard?: ShardOption;
  readonly merge?: boolean;
}

/** Adds the options that say what a grid is made of. */
export function withGridOptions(command: Command): Command {
  command
    .optionsGroup("Pictures and results:")
    .requiredOption("--contents <folder>", "pictures that give their shape")
    .requiredOption("--originals <folder>", "pictures that are changed: they keep their colours and texture")
    .requiredOption("--out <folder>", "folder for the results, sheet.png and manifest.json")
    .addOption(new Option("--gamma <value>", "share of the content, 0 to 1").argParser(gamma));
  withReplaceOption(command, "replace results that were made with other pictures or parameters");
  return command;
}

/** Adds the options that say how pairs are batched and inversions kept.
 *  @param keep whether this command keeps any itself */
export function withKeepOptions(command: Command, keep = true): Command {
  command
    .optionsGroup("Memory:")
    .addOption(new Option("--batch <n>", "most pairs in a batch").argParser(integer(1, 256)).default(DEFAULT_BATCH));
  if (keep) command.addOption(keepOption());
  return command.option("--inversions <folder>", "save every inversion there, and use those that are there");
}

export const keepOption = (): Option =>
  new Option("--keep <bytes>", "inversions that may stay on the GPU, such as 2GiB (default: by the adapter)").argParser(
    bytes,
  );

/** `injectfusion grid`: every content into every original. */
export function grid(context: Context): Command {
  const command = withKeepOptions(
    withGridOptions(
      new Command("grid").description(
        "inject every content of a folder into every original of another; continues where it was stopped",
      ),
    ),
  );
  command
    .optionsGroup("On several machines (docs/scale):")
    .addOption(shardOption("make one part of the grid:"))
    .option(
      "--merge",
      "put the shards in --out together: check that none is missing, write manifest.json and sheet.png",
    );
  return withExamples(
    withCommonOptions(withTapOptions(withParameterOptions(command))),
    "injectfusion grid --contents A/ --originals B/ --out C/",
    "injectfusion grid --contents A/ --originals B/ --out C/ --gamma 0.6 --replace",
    "injectfusion grid --contents A/ --originals B/ --out C/ --shard 3/16    # and 15 others, then --merge",
  ).action((options: GridFlags) => (options.merge ? merge(context, options) : run(context, options)));
}

/** @throws UsageError when results would lie among the pictures that they are made of */
export function checkFolders(options: Pick<GridFlags, "contents" | "originals" | "out">): void {
  for (const flag of ["contents", "originals"] as const)
    if (resolve(options[flag]) === resolve(options.out))
      throw new UsageError(`--out ${options.out}: is the folder of --${flag}; give another`);
}

/** Points out pictures of which the model sees a part only. */
export function noteOblong({ contents, originals }: GridPlan, reporter: Reporter): void {
  const all = [...contents.pictures, ...originals.pictures];
  const oblong = all.filter(({ width, height }) => width !== height);
  if (oblong.length > 0)
    reporter.note(`${oblong.length} of the pictures are not square: the model sees the centre square of each`);
}

async function run(context: Context, options: GridFlags): Promise<void> {
  checkFolders(options);
  const { signal, terminal } = context;
  const { out, replace = false } = options;
  const shard = options.shard && resolveShard(options.shard);
  const chosen = chooseParameters(await context.engine(), options, options.gamma);
  const plan = await planGrid(options, chosen, signal);
  const reporter = new Reporter(terminal, options.quiet);
  noteParameters(chosen, reporter);
  noteOblong(plan, reporter);
  await makeFolder(out);
  await checkSummaries(out, manifestName(shard), replace);
  const within = shard ? shardBlock(sizeOf(plan), shard) : wholeGrid(sizeOf(plan));
  const sayFailed = (message: string) => terminal.stderr.write(`failed: ${message}\n`);
  const { files, record } = await withSession(
    context,
    options,
    async ({ model, device }) => {
      const files = new GridFiles(plan, model, out);
      const head = {
        ...headOf(plan, model, planDigest(plan, model)),
        ...(shard && { shard, within }),
        adapter: device.description,
      };
      if (shard && !replace) await checkShards(out, head, shard.of);
      const there = await countFinished(files, within, replace);
      if (there > 0) reporter.say(`${there} of ${pairsIn(within)} pairs are there already`);
      for (const error of errorsWithin(plan, within)) sayFailed(error);
      const keeper = await openKeeper(model, plan.recipe, options);
      const manifest = (record: GridRecord) =>
        writeManifest(out, { ...head, seconds: reporter.seconds }, record.entries(files));
      try {
        const record = await reporter.phase("grid", (report) =>
          makePairs(keeper, files, {
            within,
            batch: options.batch,
            replace,
            signal,
            onShare: (share) => report(Math.round(100 * share), 100), // percent, by rough cost
            onFailed: sayFailed,
            onRecord: manifest,
          }),
        );
        await manifest(record);
        return { files, record };
      } finally {
        keeper.dispose();
      }
    },
    reporter,
  );
  if (shard) sayPart(record, files, join(out, manifestName(shard)), options, reporter);
  else sayWhole(record, files, await writeSheet(files, record), options, reporter);
  endWith(record, context);
}

/** Errors of the pictures that a rectangle needs. */
const errorsWithin = (plan: GridPlan, within: Block): string[] =>
  (["contents", "originals"] as const).flatMap((side) =>
    plan[side].pictures.slice(within[side].from, within[side].to).flatMap(({ error }) => error ?? []),
  );

/** `grid --merge`: needs no model and no device. */
async function merge(context: Context, options: GridFlags): Promise<void> {
  if (options.shard) throw new UsageError("--merge puts all shards together; leave out --shard");
  checkFolders(options);
  const { out, replace = false } = options;
  const reporter = new Reporter(context.terminal, options.quiet);
  await checkSummaries(out, manifestName(), replace);
  const sides = await listSides(options, context.signal);
  const { files, record, ...sheet } = await reporter.phase("merge", () => mergeGrid(sides, out));
  sayWhole(record, files, sheet, options, reporter);
  endWith(record, context);
}

function sayPart(record: GridRecord, files: GridFiles, manifest: string, options: GridFlags, reporter: Reporter): void {
  const { out, json } = options;
  if (json) reporter.result(JSON.stringify({ out, manifest, ...pairsFor(record, files), seconds: reporter.seconds }));
  else reporter.result(manifest);
}

/** Prints what a finished grid is: its sheet, or as JSON its pairs too. */
export function sayWhole(
  record: GridRecord,
  files: GridFiles,
  { sheet, left }: { readonly sheet: string; readonly left: number },
  { json }: Pick<GridFlags, "json">,
  reporter: Reporter,
): void {
  if (left > 0) reporter.say(`the sheet shows the first pictures; ${left} more of a side are left out`);
  if (json)
    reporter.result(JSON.stringify({ out: files.out, sheet, ...pairsFor(record, files), seconds: reporter.seconds }));
  else reporter.result(sheet);
}

const pairsFor = (record: GridRecord, files: GridFiles) =>
  isLarge(record.within) ? {} : { pairs: [...record.entries(files)] };

/** @throws PartialFailure, once it is said how many pairs failed */
export function endWith(record: GridRecord, { terminal }: Pick<Context, "terminal">): void {
  const failed = record.count("failed");
  if (failed === 0) return;
  terminal.stderr.write(`${failed} of ${pairsIn(record.within)} pairs failed\n`);
  throw new PartialFailure();
}
