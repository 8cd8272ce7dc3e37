import { InvalidArgumentError, Option } from "commander";
import type { Shard } from "../experiments/blocks";
import { UsageError } from "./failure";

/** i/n, from 1 to n, or "auto". */
export type ShardOption = Shard | "auto";

export const shardOption = (what: string): Option =>
  new Option(
    "--shard <i/n>",
    `${what} 1 to n, or auto: by the array of Slurm, Kubernetes or AWS Batch that this runs in`,
  ).argParser(parseShard);

export function parseShard(text: string): ShardOption {
  if (text === "auto") return text;
  const [, i, n] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const [index, of] = [Number(i), Number(n)];
  if (i === undefined) throw new InvalidArgumentError('It must look like "3/16", or be "auto".');
  if (of < 1 || of > 1_000_000) throw new InvalidArgumentError("The number of shards must lie between 1 and 1000000.");
  if (index < 1 || index > of) throw new InvalidArgumentError(`The shard must lie between 1 and ${of}.`);
  return { index, of };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Says which shard this process is to do.
 *  @throws UsageError for "auto" outside an array, or where the array does not say how large it is */
export function resolveShard(option: ShardOption, env: Environment = process.env): Shard {
  if (option !== "auto") return option;
  const found = slurm(env) ?? kubernetes(env) ?? awsBatch(env);
  if (!found)
    throw new UsageError(
      "--shard auto: found no array job (SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX or AWS_BATCH_JOB_ARRAY_INDEX); give --shard i/n",
    );
  const { index, of, from } = found;
  const isWhole = Number.isInteger(index) && Number.isInteger(of);
  if (!isWhole || index < 1 || index > of)
    throw new UsageError(`--shard auto: ${from} make shard ${index} of ${of}, expected 1 to n; give --shard i/n`);
  return { index, of };
}

interface Found extends Shard {
  /** the variables it comes from, for messages */
  readonly from: string;
}

/** sbatch --array=A-B:STEP */
function slurm(env: Environment): Found | undefined {
  if (env.SLURM_ARRAY_TASK_ID === undefined) return undefined;
  const [id, min, step] = [env.SLURM_ARRAY_TASK_ID, env.SLURM_ARRAY_TASK_MIN ?? 0, env.SLURM_ARRAY_TASK_STEP ?? 1];
  const index = (Number(id) - Number(min)) / Number(step) + 1;
  return { index, of: Number(env.SLURM_ARRAY_TASK_COUNT), from: "SLURM_ARRAY_TASK_ID, _MIN, _STEP and _COUNT" };
}

/** An indexed Job. Kubernetes does not tell a pod how many there are: its manifest has to, in INJECTFUSION_SHARDS. */
function kubernetes(env: Environment): Found | undefined {
  if (env.JOB_COMPLETION_INDEX === undefined) return undefined;
  if (env.INJECTFUSION_SHARDS === undefined)
    throw new UsageError(
      "--shard auto: found JOB_COMPLETION_INDEX, but not how many there are; set INJECTFUSION_SHARDS to the Job's completions",
    );
  return {
    index: Number(env.JOB_COMPLETION_INDEX) + 1,
    of: Number(env.INJECTFUSION_SHARDS),
    from: "JOB_COMPLETION_INDEX and INJECTFUSION_SHARDS",
  };
}

function awsBatch(env: Environment): Found | undefined {
  if (env.AWS_BATCH_JOB_ARRAY_INDEX === undefined) return undefined;
  return {
    index: Number(env.AWS_BATCH_JOB_ARRAY_INDEX) + 1,
    of: Number(env.AWS_BATCH_JOB_ARRAY_SIZE ?? env.INJECTFUSION_SHARDS),
    from: "AWS_BATCH_JOB_ARRAY_INDEX and _SIZE",
  };
}
