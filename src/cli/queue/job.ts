import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { UserError } from "../../errors";
import { type Block, type Shard, tile } from "../../experiments/blocks";
import { readWhole, writeWhole } from "../../platform/files-node";
import type { HintFlags } from "../checkpoint-flags";
import type { CommonOptions } from "../context";
import { checkPlan, type GridPlan, type ModelIdentity, planDigest, sizeOf } from "../grid-plan";

/** Data of a job in the queue: which block of which grid. The grid itself lies in its folder. */
export interface JobData {
  /** the folder of the results, with plan.json */
  readonly out: string;
  /** of the plan that this is a block of */
  readonly plan: string;
  readonly shard: Shard;
  /** set when somebody cancels a job that is being done */
  readonly cancelled?: boolean;
}

/** How a model is loaded: the options of the command line. */
export type ModelOptions = Pick<CommonOptions, "model" | "dtype" | "activations" | "precision" | keyof HintFlags>;

/** A grid in the queue, as it lies in its folder. */
export interface QueuedGrid {
  readonly plan: GridPlan;
  readonly digest: string;
  readonly identity: ModelIdentity;
  readonly model: ModelOptions;
  /** most pictures on a side of a block, and how many blocks that makes */
  readonly block: number;
  readonly of: number;
  readonly batch: number;
  readonly replace: boolean;
  readonly inversions?: string;
}

/** The part of a grid that a job makes. */
export const blockOf = ({ plan, block }: Pick<QueuedGrid, "plan" | "block">, { index }: Shard): Block =>
  tile(sizeOf(plan), block, index);

const FORMAT = "injectfusion-plan-1";

const planFile = (out: string): string => join(out, "plan.json");

export const writePlan = (out: string, grid: QueuedGrid): Promise<void> =>
  writeWhole(planFile(out), `${JSON.stringify({ format: FORMAT, ...grid }, null, 1)}\n`);

/** @throws UserError where there is none, or another than expected */
export async function readPlan(out: string, expected?: string): Promise<QueuedGrid> {
  const file = planFile(out);
  const bytes = await readWhole(file, "the plan of a grid");
  let grid: QueuedGrid & { readonly format?: string };
  try {
    grid = JSON.parse(new TextDecoder().decode(bytes)) as typeof grid;
    checkPlan(grid.plan, file);
  } catch {
    throw new UserError(`${file}: is no plan of a grid; enqueue the grid again`);
  }
  if (grid.format !== FORMAT || planDigest(grid.plan, grid.identity) !== grid.digest)
    throw new UserError(`${file}: is no plan of a grid; enqueue the grid again`);
  if (expected !== undefined && grid.digest !== expected)
    throw new UserError(`${file}: is the plan of another grid than the job's; enqueue the grid again`);
  return grid;
}

/** Names a job by what it makes, so that the same work is in the queue once. */
export const jobId = (plan: string, { index, of }: Shard): string =>
  createHash("sha256").update(`${plan} ${index}/${of}`).digest("hex").slice(0, 32);

/** Checks a job that somebody put into the queue. @throws UserError */
export function checkJob(data: unknown): JobData {
  const { out, plan, shard } = (data ?? {}) as Partial<JobData>;
  const isShard = Number.isInteger(shard?.index) && Number.isInteger(shard?.of);
  if (typeof out !== "string" || resolve(out) !== out || typeof plan !== "string" || !isShard)
    throw new UserError("the job is no block of a grid; enqueue the grid again, with this version");
  return data as JobData;
}

/** An error after which a job is not tried again. BullMQ knows it by its name. */
export const forGood = (message: string): Error => Object.assign(new Error(message), { name: "UnrecoverableError" });

/** The error that ends a job that was given back to the queue. BullMQ knows it by its name. */
export const givenBack = (): Error => Object.assign(new Error("given back"), { name: "WaitingError" });
