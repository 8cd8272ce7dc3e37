import { existsSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { UserError } from "../../errors";
import { pairsIn, type Shard, tilesOf } from "../../experiments/blocks";
import { identifyModel } from "../../load";
import { openSource } from "../../model/checkpoint/source-node";
import { DEFAULT_MODEL } from "../../model/presets";
import { findModel } from "../../model-source";
import { givenHints, hintsOf } from "../checkpoint-flags";
import { type Context, withCommonOptions, withExamples, withTalkOptions } from "../context";
import { makeFolder } from "../folders";
import { checkFolders, endWith, type GridFlags, noteOblong, sayWhole, withGridOptions, withKeepOptions } from "../grid";
import { checkShards, headOf, manifestName, readManifest, shardsIn } from "../grid-manifest";
import { mergeGrid } from "../grid-merge";
import { GridFiles, type ModelIdentity, planDigest, planGrid, sizeOf } from "../grid-plan";
import { checkSummaries, countFinished, isWhole } from "../grid-run";
import { chooseParameters, noteParameters, withParameterOptions } from "../inject-parameters";
import { withTapOptions } from "../pair";
import { Reporter } from "../reporter";
import { integer } from "../values";
import { type JobRequest, openServer, type Queue } from "./bull";
import { blockOf, jobId, type ModelOptions, type QueuedGrid, readPlan, writePlan } from "./job";
import { watchJobs } from "./watch";
import { queueOption } from "./work";

interface Flags extends GridFlags {
  readonly queue: string;
  readonly block: number;
  readonly wait?: boolean;
}

/** `injectfusion enqueue grid`, and `enqueue cancel`. */
export function enqueue(context: Context): Command {
  const command = new Command("enqueue").description("put a grid into a queue, for any number of workers (see work)");
  return command.addCommand(enqueueGrid(context)).addCommand(cancel(context));
}

function enqueueGrid(context: Context): Command {
  const command = new Command("grid").description("put the blocks of a grid that are not there yet into a queue");
  withKeepOptions(withGridOptions(command), false);
  command
    .optionsGroup("Queue (docs/scale):")
    .addOption(queueOption())
    .addOption(
      new Option("--block <n>", "most pictures on a side of a block, which is one job")
        .argParser(integer(1, 1024))
        .default(16),
    )
    .option("--wait", "wait for all blocks, then put them together: manifest.json and sheet.png");
  return withExamples(
    withCommonOptions(withTapOptions(withParameterOptions(command))),
    "injectfusion enqueue grid --contents A/ --originals B/ --out C/ --queue redis://10.0.0.5:6379 --wait",
  ).action((flags: Flags) => run(context, flags));
}

async function run(context: Context, flags: Flags): Promise<void> {
  checkFolders(flags);
  const { signal, terminal } = context;
  const { replace = false, queue: url } = flags;
  const out = resolve(flags.out);
  const chosen = chooseParameters(await context.engine(), flags, flags.gamma);
  const reporter = new Reporter(terminal, flags.quiet);
  noteParameters(chosen, reporter);
  const plan = await reporter.phase("list", () => planGrid(flags, chosen, signal));
  noteOblong(plan, reporter);
  await makeFolder(out);
  await checkSummaries(out, manifestName(), replace);
  const server = await openServer(url);
  const model = modelOptions(flags);
  const identity = await reporter.phase("read model", () => identify(model, signal));
  const size = sizeOf(plan);
  const of = tilesOf(size, flags.block);
  const digest = planDigest(plan, identity);
  const head = headOf(plan, identity, digest);
  if (replace) await dropOtherShards(out, digest, of);
  else await checkShards(out, head, of);
  const files = new GridFiles(plan, identity, out);
  const inversions = flags.inversions && resolve(flags.inversions);
  const grid: QueuedGrid = {
    plan,
    digest,
    identity,
    model,
    block: flags.block,
    of,
    batch: flags.batch,
    replace,
    ...(inversions && { inversions }),
  };
  const queue = server.queue();
  queue.on("error", () => {}); // shown by what waits for it
  try {
    const unfinished = await reporter.phase("look", async (report) => {
      const found: Shard[] = [];
      for (let index = 1; index <= of; index++) {
        signal.throwIfAborted();
        if (!(await isDone(files, grid, { index, of }))) found.push({ index, of });
        report(index, of);
      }
      return found;
    });
    await writePlan(out, grid);
    const { added, there } = await addJobs(queue, out, digest, unfinished);
    const done = of - unfinished.length;
    reporter.say(`${added} blocks enqueued, ${there} in the queue already, ${done} done already`);
    if (!flags.wait) {
      reporter.result(
        flags.json ? JSON.stringify({ out, plan: digest, blocks: of, enqueued: added, queued: there, done }) : out,
      );
      return;
    }
    const failures = await watchJobs(queue, unfinished, (shard) => jobId(digest, shard), reporter, signal);
    for (const failure of failures) terminal.stderr.write(`failed: ${failure}\n`);
    const { record, files: merged, ...sheet } = await reporter.phase("merge", () => mergeGrid(plan, out));
    sayWhole(record, merged, sheet, flags, reporter);
    endWith(record, context);
  } finally {
    await queue.close().catch(() => {});
  }
}

/** The options that say how a model is loaded, its file by its full path: workers run elsewhere. */
function modelOptions({ model, dtype, activations, precision, ...flags }: Flags): ModelOptions {
  const how = { dtype, activations, precision, model: model && absolute(model) };
  const given = Object.entries({ ...givenHints(flags), ...how });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as ModelOptions;
}

/** FILE, or NAME=FILE, with the file's full path; anything else as it is. */
function absolute(model: string): string {
  const [, name = "", file = model] = /^(\w[\w-]*=)?(.*)$/s.exec(model) ?? [];
  return existsSync(file) ? `${name}${resolve(file)}` : model;
}

/** Which weights a model has, from its file alone: no device is needed. */
async function identify(options: ModelOptions, signal: AbortSignal): Promise<ModelIdentity> {
  const { from, preset, name } = findModel(options.model ?? DEFAULT_MODEL);
  const hints = hintsOf(options);
  const source = await openSource(from, { signal });
  const { label: _, ...known } = hints;
  return { name: name ?? source.name, hash: await identifyModel(source, { ...known, signal }, preset) };
}

/** Whether a block needs no worker: its manifest is there, and every result whole. */
async function isDone(files: GridFiles, grid: QueuedGrid, shard: Shard): Promise<boolean> {
  const within = blockOf(grid, shard);
  await countFinished(files, within, grid.replace); // refuses what another recipe made
  const file = join(files.out, manifestName(shard));
  if (!existsSync(file)) return false;
  const manifest = await readManifest(file).catch(() => undefined);
  const isSame = manifest?.plan === grid.digest && JSON.stringify(manifest.within) === JSON.stringify(within);
  return isSame && manifest.pairs.length === pairsIn(within) && isWhole(files, within);
}

/** Removes the manifests of shards that were made or split otherwise. */
async function dropOtherShards(out: string, digest: string, of: number): Promise<void> {
  for (const shard of await shardsIn(out)) {
    const file = join(out, manifestName(shard));
    const manifest = await readManifest(file).catch(() => undefined);
    if (shard.of !== of || manifest?.plan !== digest) rmSync(file, { force: true });
  }
}

/** Jobs added at a time. */
const BULK = 500;

/** Options of a job: one that fails is tried again after 5 s, 10 s, 20 s, 40 s. Finished jobs stay for a week. */
const jobOptions = {
  attempts: 5,
  backoff: { type: "exponential", delay: 5000 },
  removeOnComplete: { age: 7 * 24 * 3600 },
  removeOnFail: { age: 7 * 24 * 3600 },
} as const;

/** Adds the jobs of these blocks, unless they wait or are being done. */
async function addJobs(queue: Queue, out: string, plan: string, shards: readonly Shard[]) {
  let there = 0;
  const jobs: JobRequest[] = [];
  let added = 0;
  const flush = async () => {
    await queue.addBulk(jobs);
    added += jobs.length;
    jobs.length = 0;
  };
  for (const shard of shards) {
    const id = jobId(plan, shard);
    const found = await queue.getJob(id);
    const state = await found?.getState();
    if (found && (state === "completed" || state === "failed")) await found.remove();
    else if (found) {
      there++;
      continue;
    }
    jobs.push({ name: "grid", data: { out, plan, shard }, opts: { jobId: id, ...jobOptions } });
    if (jobs.length === BULK) await flush();
  }
  if (jobs.length > 0) await flush();
  return { added, there };
}

interface CancelFlags {
  readonly out: string;
  readonly queue: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

function cancel(context: Context): Command {
  const command = new Command("cancel")
    .description("take the blocks of a grid out of the queue, and stop those that are being made")
    .requiredOption("--out <folder>", "the folder of the grid's results")
    .addOption(queueOption());
  return withTalkOptions(command).action((flags: CancelFlags) => runCancel(context, flags));
}

async function runCancel({ terminal }: Context, flags: CancelFlags): Promise<void> {
  const reporter = new Reporter(terminal, flags.quiet);
  const out = resolve(flags.out);
  const { digest, of } = await readPlan(out);
  const server = await openServer(flags.queue);
  const queue = server.queue();
  queue.on("error", () => {});
  let [removed, stopped] = [0, 0];
  try {
    for (let index = 1; index <= of; index++) {
      const job = await queue.getJob(jobId(digest, { index, of }));
      const state = await job?.getState();
      if (!job || state === "completed" || state === "failed") continue;
      const isRemoved =
        state !== "active" &&
        (await job.remove().then(
          () => true,
          () => false, // a worker has just taken it
        ));
      if (isRemoved) removed++;
      else {
        await job.updateData({ ...job.data, cancelled: true });
        stopped++;
      }
    }
  } finally {
    await queue.close().catch(() => {});
  }
  if (removed + stopped === 0) throw new UserError(`${out}: no block of this grid is in the queue`);
  if (flags.json) reporter.result(JSON.stringify({ out, removed, stopped }));
  else reporter.result(`${removed} blocks taken out of the queue, ${stopped} being stopped`);
}
