import type { Shard } from "../../experiments/blocks";
import { pause } from "../../gpu/patience";
import type { Reporter } from "../reporter";
import type { Queue, QueuedJob } from "./bull";

/** Milliseconds between looks at the queue. */
const EVERY = 1000;

/** Jobs looked at each time: those that were enqueued first are done first. */
const WINDOW = 100;

/** Waits until none of these blocks is in the queue any more, with a progress bar over all of them.
 *  @returns why blocks failed, or that they were cancelled */
export async function watchJobs(
  queue: Queue,
  shards: readonly Shard[],
  idOf: (shard: Shard) => string,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<string[]> {
  const failures: string[] = [];
  const open = [...shards];
  if (open.length === 0) return failures;
  await reporter.phase(
    "grid",
    async (report) => {
      let isSilent = false;
      while (open.length > 0) {
        signal.throwIfAborted();
        try {
          let parts = 0;
          for (const shard of open.slice(0, WINDOW)) {
            const job = await queue.getJob(idOf(shard));
            const ended = await endOf(job);
            if (!ended) {
              parts += typeof job?.progress === "number" ? job.progress : 0;
              continue;
            }
            if (ended !== "done") failures.push(`block ${shard.index}/${shard.of}: ${ended}`);
            open.splice(open.indexOf(shard), 1);
          }
          const all = shards.length;
          report(Math.round(1000 * ((all - open.length + parts) / all)) / 10, 100);
          isSilent = false;
        } catch (error) {
          if (!isSilent) reporter.say(`queue: ${(error as Error).message.split("\n")[0]}; going on when it answers`);
          isSilent = true;
        }
        if (open.length > 0) await pause(EVERY, signal);
      }
    },
    { before: "waiting for workers" },
  );
  return failures;
}

/** How a job ended; undefined while it has not. */
async function endOf(job: QueuedJob | undefined): Promise<string | undefined> {
  if (!job) return "was taken out of the queue";
  const state = await job.getState();
  if (state === "completed") return "done";
  if (state === "failed") return job.failedReason ?? "failed";
  return undefined;
}
