import { stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { DeviceLostError, UserError } from "../../errors";
import { pairsIn } from "../../experiments/blocks";
import { checkWritable } from "../../platform/files-node";
import { type Context, withExamples, withTalkOptions } from "../context";
import { keepOption } from "../grid";
import { headOf, writeManifest } from "../grid-manifest";
import { GridFiles } from "../grid-plan";
import type { GridRecord } from "../grid-record";
import { type KeepOptions, makePairs } from "../grid-run";
import { Reporter } from "../reporter";
import { within } from "../values";
import { openServer, type Queue, type QueuedJob, type Worker } from "./bull";
import { SessionHolder } from "./holder";
import { blockOf, checkJob, forGood, givenBack, type JobData, type QueuedGrid, readPlan } from "./job";

interface Options {
  readonly queue: string;
  readonly model?: string;
  readonly keep?: number;
  readonly inversions?: string;
  readonly lock: number;
  readonly idle: number;
  readonly untilEmpty?: boolean;
  readonly quiet?: boolean;
}

export const queueOption = (): Option =>
  new Option("--queue <url>", "redis://host:6379 or postgres://user@host/database")
    .env("INJECTFUSION_QUEUE")
    .makeOptionMandatory();

/** `injectfusion work`: makes the blocks that come through a queue. */
export function work(context: Context): Command {
  const command = new Command("work")
    .description("make the grids that `enqueue` puts into a queue, block by block, until it is stopped")
    .optionsGroup("Queue (docs/scale):")
    .addOption(queueOption())
    .addOption(
      new Option("--lock <seconds>", "time after which the job of a worker that is silent goes to another")
        .argParser(within(1, 3600))
        .default(120),
    )
    .addOption(
      new Option("--idle <seconds>", "time without a job after which the device is let go")
        .argParser(within(0, 86400))
        .default(60),
    )
    .option("--until-empty", "end when the queue is empty")
    .optionsGroup("On this machine:")
    .option("--model <source>", "where the model lies here, if not where the jobs say")
    .addOption(keepOption())
    .option("--inversions <folder>", "saved inversions, if not where the jobs say");
  return withExamples(
    withTalkOptions(command),
    "injectfusion work --queue redis://10.0.0.5:6379",
    "INJECTFUSION_QUEUE=postgres://me:secret@db/jobs injectfusion work --until-empty",
  ).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  const reporter = new Reporter(context.terminal, options.quiet);
  const server = await openServer(options.queue);
  const { signal } = context;
  reporter.say(`waiting for jobs of ${server.where}`);
  const queue = server.queue();
  const holder = new SessionHolder(context, reporter, options.idle);
  const doer = new BlockDoer({ ...context, signal }, options, reporter, holder, queue);
  let unfit: Error | undefined;
  const over = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
    doer.onUnfit = (error) => {
      unfit ??= error;
      resolve();
    };
    doer.onEmpty = resolve;
  });
  const worker = server.worker((job, token, cancelled) => doer.process(job, token, cancelled), {
    name: `${hostname()}-${process.pid}`,
    lockDuration: options.lock * 1000,
    stalledInterval: Math.min(30, options.lock) * 1000,
    maxStalledCount: 10, // workers die of their machines; what a job itself does wrong ends it otherwise
    drainDelay: 5,
    runRetryDelay: 2000,
  });
  doer.worker = worker;
  let silent = false;
  const trouble = (error: Error) => {
    if (!silent && !signal.aborted)
      reporter.say(`queue: ${error.message.split("\n")[0] || error.name}; going on when it answers`);
    silent = true;
  };
  queue.on("error", trouble);
  worker.on("error", trouble);
  worker.on("active", () => (silent = false));
  worker.on("lockRenewalFailed", (ids) => {
    for (const id of ids) worker.cancelJob(id, "another worker has taken this job over");
  });
  worker.on("failed", (job, error) => doer.sayFailed(job, error));
  if (options.untilEmpty) worker.on("drained", () => void doer.checkEmpty());
  try {
    await over;
  } finally {
    await patiently(worker.close(), () => worker.close(true));
    holder.close();
    await patiently(queue.close(), async () => {});
  }
  if (unfit) throw unfit;
  signal.throwIfAborted();
}

/** Milliseconds that closing may take: a server that is gone does not answer. */
const CLOSING = 10_000;

async function patiently(closing: Promise<void>, force: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), CLOSING);
  });
  const outcome = await Promise.race([closing.catch(() => {}), late]);
  clearTimeout(timer);
  if (outcome === "late")
    await Promise.race([force().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 1000))]);
}

/** Devices lost one after another, before a worker gives up. */
const MOST_LOSSES = 3;

/** Milliseconds between reports of how far a job is, which also look whether it was cancelled. */
const REPORT_EVERY = 2000;

/** Does jobs, and tells those that failed from those that this worker cannot do. */
class BlockDoer {
  worker: Worker | undefined;
  onUnfit: (error: Error) => void = () => {};
  onEmpty: () => void = () => {};
  #losses = 0;
  #looking: NodeJS.Timeout | undefined;

  constructor(
    readonly context: Context,
    readonly options: Options,
    readonly reporter: Reporter,
    readonly holder: SessionHolder,
    readonly queue: Queue,
  ) {}

  async process(job: QueuedJob, token: string | undefined, taken: AbortSignal): Promise<unknown> {
    const data = await attempt(async () => checkJob(job.data));
    if (data.cancelled) throw forGood("cancelled");
    const cancelling = new AbortController();
    const signal = AbortSignal.any([this.context.signal, taken, cancelling.signal]);
    const watch = this.#watch(job, cancelling);
    try {
      const summary = await this.#make(data, signal, watch.report);
      this.#losses = 0;
      return summary;
    } catch (error) {
      if (cancelling.signal.aborted) throw forGood("cancelled");
      if (taken.aborted) throw error;
      if (this.context.signal.aborted) return await this.#giveBack(job, token);
      if (error instanceof DeviceLostError) {
        this.holder.close();
        this.reporter.say(`${error.message}; the job goes back to the queue`);
        if (++this.#losses >= MOST_LOSSES) this.onUnfit(error);
        return await this.#giveBack(job, token, this.#losses >= MOST_LOSSES);
      }
      if (error instanceof Unfit) {
        this.onUnfit(error);
        return await this.#giveBack(job, token);
      }
      throw error;
    } finally {
      watch.stop();
      this.holder.rest();
    }
  }

  /** Puts the job back where others find it. @param stop whether this worker takes no other */
  async #giveBack(job: QueuedJob, token: string | undefined, stop = true): Promise<never> {
    if (stop) await this.worker?.pause(true);
    await job.moveToWait(token);
    throw givenBack();
  }

  async #make(data: JobData, signal: AbortSignal, report: (share: number) => void): Promise<object> {
    await here(() => expectFolder(data.out));
    const grid = await attempt(() => readPlan(data.out, data.plan));
    const { plan, identity, batch, replace } = grid;
    const { shard } = data;
    if (shard.of !== grid.of)
      throw forGood(`the grid was enqueued again in ${grid.of} blocks; this was one of ${shard.of}`);
    for (const { folder } of [plan.contents, plan.originals]) await here(() => expectFolder(folder));
    const within = blockOf(grid, shard);
    await here(() => checkWritable(join(data.out, "results")));
    const { session, keeper } = await here(() => this.#open(grid));
    const { model, device } = session;
    if (model.hash !== identity.hash)
      throw new Unfit(
        `--model: holds other weights (${model.hash.slice(0, 12)}) than the job asks for (${identity.hash.slice(0, 12)}); give the model that it was enqueued with`,
      );
    const files = new GridFiles(plan, identity, data.out);
    const head = { ...headOf(plan, identity, grid.digest), shard, within, adapter: device.description };
    const began = performance.now();
    const seconds = () => Number(((performance.now() - began) / 1000).toFixed(3));
    const failures: string[] = [];
    const manifest = (record: GridRecord) =>
      writeManifest(data.out, { ...head, seconds: { grid: seconds() } }, record.entries(files));
    const before = { ...keeper.done };
    let record: GridRecord;
    try {
      record = await makePairs(keeper, files, {
        within,
        batch,
        replace,
        signal,
        onShare: report,
        onFailed: (message) => failures.push(message),
        onRecord: manifest,
      });
      await manifest(record);
    } catch (error) {
      if (!(error instanceof UserError) || error instanceof DeviceLostError || signal.aborted) throw error;
      await here(() => checkWritable(join(data.out, "results"))); // this machine's fault
      throw forGood(error.message);
    }
    const [done, kept, failed] = (["done", "kept", "failed"] as const).map((status) => record.count(status));
    const inverted = keeper.done.inverted - before.inverted;
    this.reporter.say(
      `block ${shard.index}/${shard.of} of ${data.out}: ${done} pairs made, ${kept} were there (${seconds().toFixed(1)} s)`,
    );
    if (failed! > 0) throw forGood(this.#whyOf(failed!, failures, files, record));
    return { done, kept, inverted, of: pairsIn(within) };
  }

  #whyOf(failed: number, failures: readonly string[], files: GridFiles, record: GridRecord): string {
    const errors = new Set(failures);
    for (const { error } of record.entries(files)) {
      if (errors.size >= 8) break;
      if (error !== undefined && ![...errors].some((known) => known.endsWith(error))) errors.add(error);
    }
    return `${failed} pairs failed: ${[...errors].join("; ")}`.slice(0, 2000);
  }

  #open({ plan, model, batch, inversions }: QueuedGrid) {
    const own = this.options;
    const folder = own.inversions ?? inversions;
    const keep: KeepOptions = {
      batch,
      ...(own.keep !== undefined && { keep: own.keep }),
      ...(folder !== undefined && { inversions: folder }),
    };
    return this.holder.open({ ...model, ...(own.model !== undefined && { model: own.model }) }, plan, keep);
  }

  /** Reports how far a job is, and aborts it when somebody cancels it. A queue that is gone for a while hinders nothing. */
  #watch(job: QueuedJob, cancelling: AbortController): { report(share: number): void; stop(): void } {
    let share = 0;
    let busy = false;
    const timer = setInterval(async () => {
      if (busy) return;
      busy = true;
      try {
        await job.updateProgress(Math.round(1000 * share) / 1000);
        const now = await this.queue.getJob(job.id!);
        if (now?.data.cancelled) cancelling.abort(new Error("cancelled"));
      } catch {
        // said by the worker's own connection
      } finally {
        busy = false;
      }
    }, REPORT_EVERY);
    return { report: (part) => (share = part), stop: () => clearInterval(timer) };
  }

  sayFailed(job: QueuedJob | undefined, { name, message }: Error): void {
    if (name === "WaitingError") return;
    const block = job?.data.shard ? `block ${job.data.shard.index}/${job.data.shard.of}` : "a job";
    this.reporter.terminal.stderr.write(`failed: ${block}: ${message.split("\n")[0]}\n`);
  }

  /** Ends the worker when nothing is waiting, nor being done by others who may die of it. */
  async checkEmpty(): Promise<void> {
    clearTimeout(this.#looking);
    try {
      const counts = await this.queue.getJobCounts("waiting", "active", "delayed", "prioritized");
      const left = Object.values(counts).reduce((sum, count) => sum + count, 0);
      if (left === 0) return this.onEmpty();
    } catch {
      // asked again below
    }
    this.#looking = setTimeout(() => void this.checkEmpty(), 1000).unref();
  }
}

/** This worker cannot do a job that others can: it ends, and the job goes back. */
class Unfit extends UserError {}

/** Runs `work`, whose failures are this machine's fault. */
async function here<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError && !(error instanceof DeviceLostError)) throw new Unfit(error.message);
    throw error;
  }
}

/** @throws UserError where a folder that the job names is not there: other machines have it */
async function expectFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory())
    throw new UserError(`${folder}: no such folder on this machine; mount it where the machine that enqueued has it`);
}

/** Runs `work`, whose failures are the job's fault. */
async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? forGood(error.message) : error;
  }
}
