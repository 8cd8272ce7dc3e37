import { parseArgs } from "node:util";
import { type Outcome, runTrials, serveTrials } from "./children";

export interface Fuzzer {
  /** The npm script. */
  readonly name: string;
  /** Trials of one child process, which share its compiled pipelines. */
  readonly batch: number;
  /** Seconds that one trial may take, unless `--seconds` says otherwise. */
  readonly seconds: number;
  /** Resolves where the trial passes, with the names of the shaders it ran. */
  run(seed: number, trial: number): Promise<Iterable<string>>;
  /** Frees what the trials share. */
  close(): Promise<void>;
  /** Complaints about the whole. */
  check(outcome: Outcome, count: number): readonly string[];
}

/** Trials between two lines that say how far it is. */
const PROGRESS = 50;

/** The command line of a fuzzer, and the child process that it starts itself as. */
export async function fuzzCommand(fuzzer: Fuzzer): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "200" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      trial: { type: "string" },
      seconds: { type: "string", default: `${fuzzer.seconds}` },
      first: { type: "string" },
      trials: { type: "string" },
    },
  });
  const numbers = [
    values.count,
    values.seed,
    values.seconds,
    values.trial ?? "0",
    values.first ?? "0",
    values.trials ?? "0",
  ].map(Number);
  const [count, seed, seconds, trial, first, trials] = numbers as [number, number, number, number, number, number];
  if (!numbers.every((n) => Number.isInteger(n) && n >= 0) || count < 1) {
    console.error(`usage: ${fuzzer.name} [--count N] [--seed N] [--trial N] [--seconds N]: whole numbers`);
    process.exit(2);
  }
  if (values.trials !== undefined) {
    await serveTrials(first, trials, (n) => fuzzer.run(seed, n));
    return fuzzer.close();
  }
  const only = values.trial !== undefined;
  const began = performance.now();
  const command = [process.execPath, process.argv[1]!, "--seed", `${seed}`] as const;
  const plan = {
    command,
    first: only ? trial : 0,
    count: only ? 1 : count,
    batch: fuzzer.batch,
    seconds,
  };
  let [passed, failed] = [0, 0];
  process.once("SIGINT", () => {
    console.log(`seed ${seed}: interrupted after ${passed} of ${plan.count} passed, ${failed} failed`);
    process.exit(130);
  });
  const outcome = await runTrials(plan, {
    passed: () => {
      if (++passed % PROGRESS === 0 && passed < plan.count) console.log(`seed ${seed}: ${passed} passed so far`);
    },
    failed: ({ trial, reason }) => {
      failed++;
      console.log(`FAILED --seed ${seed} --trial ${trial}: ${reason}`);
    },
  });
  const complaints = fuzzer.check(outcome, plan.count);
  for (const complaint of complaints) console.log(`FAILED ${complaint}`);
  const took = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`seed ${seed}: ${outcome.passed} of ${plan.count} passed, ${outcome.seen.size} shaders, ${took} s`);
  if (outcome.failures.length > 0 || complaints.length > 0 || outcome.passed !== plan.count) process.exitCode = 1;
}
