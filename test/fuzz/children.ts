import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Trials to run in child processes: a trial may kill its process, or never end. */
export interface Plan {
  /** Command line of a child, to which `--first N --trials N` is added. */
  readonly command: readonly [string, ...string[]];
  readonly first: number;
  readonly count: number;
  /** Trials of one child. */
  readonly batch: number;
  /** Seconds that one trial may take. */
  readonly seconds: number;
}

export interface Failure {
  readonly trial: number;
  readonly reason: string;
}

export interface Outcome {
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** What the children reported beside their trials: names, with how often each came. */
  readonly seen: ReadonlyMap<string, number>;
}

/** Lines of a child: a trial begins, passes or fails; names of what it ran. Everything else is passed on. */
const mark = { begin: "> ", pass: "= ", fail: "! ", seen: "+ " } as const;

/** Runs all trials. A child that dies or stalls fails the trial it was at, which then runs alone to tell what it does
 *  without those before it; the rest goes on in a new child. */
export async function runTrials(
  plan: Plan,
  report: { readonly failed?: (failure: Failure) => void; readonly passed?: () => void } = {},
): Promise<Outcome> {
  const failures: Failure[] = [];
  const seen = new Map<string, number>();
  let passed = 0;
  const fail = (failure: Failure) => {
    failures.push(failure);
    report.failed?.(failure);
  };
  const end = plan.first + plan.count;
  for (let first = plan.first; first < end; ) {
    const child = await runChild(plan, first, Math.min(plan.batch, end - first), seen, report.passed);
    passed += child.passed;
    for (const failure of child.failures) fail(failure);
    if (child.death === undefined) {
      first += plan.batch;
      continue;
    }
    const trial = child.death.trial ?? Math.min(end, first + plan.batch) - 1;
    const alone = await runChild(plan, trial, 1, new Map());
    const again = alone.death?.reason ?? alone.failures[0]?.reason ?? "passes";
    const at = child.death.trial === undefined ? "after the last of its trials" : `behind ${trial - first} others`;
    fail({ trial, reason: `${child.death.reason} (${at}; alone: ${again})` });
    if (child.death.trial === undefined) passed--;
    first = trial + 1;
  }
  return { passed, failures, seen };
}

interface ChildReport {
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** How the child ended, if not well; without a trial where all of them were through. */
  readonly death?: { readonly trial: number | undefined; readonly reason: string };
}

function runChild(
  plan: Plan,
  first: number,
  trials: number,
  seen: Map<string, number>,
  onPass: () => void = () => {},
): Promise<ChildReport> {
  const [file, ...args] = plan.command;
  const child = spawn(file, [...args, "--first", `${first}`, "--trials", `${trials}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let passed = 0;
  let running: number | undefined;
  let stalled = false;
  let stderr = "";
  const failures: Failure[] = [];
  const watchdog = () =>
    setTimeout(() => {
      stalled = true;
      child.kill("SIGKILL");
    }, plan.seconds * 1000);
  let timer = watchdog();
  createInterface({ input: child.stdout }).on("line", (line) => {
    clearTimeout(timer);
    timer = watchdog();
    const [kind, text] = [line.slice(0, 2), line.slice(2)];
    const [number, reason = ""] = /^(\d+) ?(.*)$/.exec(text)?.slice(1) ?? [];
    if (kind === mark.begin) running = Number(number);
    else if (kind === mark.pass) {
      passed++;
      onPass();
    } else if (kind === mark.fail) failures.push({ trial: Number(number), reason });
    else if (kind === mark.seen) seen.set(text, (seen.get(text) ?? 0) + 1);
    else console.log(line);
    if (kind === mark.pass || kind === mark.fail) running = undefined;
  });
  child.stderr.on("data", (data: Buffer) => {
    stderr = (stderr + data.toString()).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const words = stalled ? `no answer in ${plan.seconds} s` : `died of ${signal ?? `exit status ${code}`}`;
      const said = stderr.trim().split("\n").at(-1);
      const death =
        code !== 0 || running !== undefined
          ? { trial: running, reason: said ? `${words}: ${said}` : words }
          : undefined;
      resolve({ passed, failures, ...(death && { death }) });
    });
  });
}

/** The child's side: runs trials one by one. `run` resolves where a trial passes, with the names of what it ran. */
export async function serveTrials(
  first: number,
  trials: number,
  run: (trial: number) => Promise<Iterable<string>>,
): Promise<void> {
  for (let trial = first; trial < first + trials; trial++) {
    console.log(`${mark.begin}${trial}`);
    try {
      const names = await run(trial);
      for (const name of new Set(names)) console.log(`${mark.seen}${name}`);
      console.log(`${mark.pass}${trial}`);
    } catch (error) {
      console.log(`${mark.fail}${trial} ${(error as Error).message.replaceAll(/\s*\n\s*/g, " | ")}`);
    }
  }
}
