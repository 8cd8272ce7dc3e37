import { UserError } from "../src/errors";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import { openDevice } from "../src/node";
import { mulberry32 } from "../src/random";
import { countAlive } from "./support/alive";
import { at, loadTrained, pictureOf } from "./support/trained";

export interface SoakReport {
  runs: number;
  refusals: number;
  cancelled: number;
  losses: number;
  /** GPU bytes that are alive after a round and should not be */
  leaked: number;
  /** what went wrong, in words: none should */
  readonly wrong: string[];
}

const STEPS = 4;
const REASON = new Error("cancelled by the soak");

/** Buffers that a device keeps to use again: they come and go. */
const CACHED = /^(?:uniforms|staging)$/;

type RunOptions = { signal?: AbortSignal; onStep?: ReturnType<typeof at>; recover?: boolean; snapshotEvery?: number };

/** Mixes valid work, bad input, cancels, disposals, losses and concurrent runs by seed until the time is up. Every picture
 *  is compared with the one computed alone. */
export async function soak({ seconds, seed }: { seconds: number; seed: number }): Promise<SoakReport> {
  const report: SoakReport = { runs: 0, refusals: 0, cancelled: 0, losses: 0, leaked: 0, wrong: [] };
  const random = mulberry32(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  (await openDevice()).dispose(); // GPUDevice and GPUBuffer exist from now on
  const alive = countAlive();
  const unhandled = (error: unknown) => report.wrong.push(`unhandled: ${error}`);
  process.on("unhandledRejection", unhandled);
  const model = await loadTrained({ recover: true });
  const pair = await model.invert([pictureOf(1), pictureOf(2)], { steps: STEPS });
  const jobs = jobsOf(model, pair);
  const expected = new Map<Job, Float32Array>();
  for (const job of jobs) expected.set(job, await job({}));
  const bytes = () => alive.buffers - alive.labels().filter((label) => CACHED.test(label)).length;
  const baseline = bytes();

  const same = (job: Job, found: Float32Array, what: string) => {
    const wanted = expected.get(job)!;
    if (found.length !== wanted.length || found.some((v, i) => !Object.is(v, wanted[i])))
      report.wrong.push(`${what}: job ${jobs.indexOf(job)} gave another picture`);
  };
  const work = async () => {
    const job = pick(jobs);
    same(job, await job({}), "work");
    report.runs++;
  };
  const cancel = async () => {
    const job = pick(jobs);
    const controller = new AbortController();
    const step = 1 + Math.floor(random() * STEPS);
    const byTime = random() < 0.5;
    if (byTime) setTimeout(() => controller.abort(REASON), random() * 60);
    const onStep = byTime ? undefined : at(step, () => controller.abort(REASON));
    try {
      same(job, await job({ signal: controller.signal, ...(onStep && { onStep }) }), "cancel that came late");
      report.runs++;
    } catch (error) {
      if (error !== REASON) report.wrong.push(`cancel: ${error}`);
      report.cancelled++;
    }
  };
  const disposed = async () => {
    const own = await model.invert([pictureOf(1), pictureOf(2)], { steps: STEPS });
    const [job] = jobsOf(model, own);
    const found = await job!({ onStep: at(1 + Math.floor(random() * STEPS), () => own.dispose()) });
    own.dispose();
    same(jobs[0]!, found, "disposed during its run");
    report.runs++;
  };
  const bad = async () => {
    const call = pick(badCalls(model, pair));
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof UserError) || error.message.includes("\n")) report.wrong.push(`bad input: ${error}`);
    report.refusals++;
  };
  const lose = async () => {
    const job = pick(jobs);
    const onStep = at(1 + Math.floor(random() * STEPS), () => model.device.gpu.destroy());
    same(job, await job({ onStep, snapshotEvery: 1 + Math.floor(random() * 3) }), "lost device");
    report.losses++;
    report.runs++;
  };
  const actions = [work, work, work, work, cancel, cancel, disposed, bad, bad, bad];

  const until = performance.now() + 1000 * seconds;
  for (let round = 1; performance.now() < until && report.wrong.length === 0; round++) {
    const together = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(actions));
    if (round % 12 === 3) together.push(lose);
    for (const outcome of await Promise.allSettled(together.map((action) => action())))
      if (outcome.status === "rejected")
        report.wrong.push(`round ${round}: ${outcome.reason?.stack ?? outcome.reason}`);
    if (bytes() !== baseline) report.leaked += Math.abs(bytes() - baseline);
  }
  pair.dispose();
  model.dispose();
  await new Promise((resolve) => setTimeout(resolve, 20));
  report.leaked += alive.bytes;
  process.off("unhandledRejection", unhandled);
  alive.restore();
  return report;
}

type Job = (options: RunOptions) => Promise<Float32Array>;

/** Runs whose pictures are known. */
function jobsOf(model: Model, pair: Inversion): Job[] {
  const inject =
    (given: Partial<Parameters<Model["inject"]>[0]>): Job =>
    async (options) => {
      const both = { content: pair.select(0), original: pair.select(1) };
      using result = await model.inject({ ...both, steps: STEPS, ...given, ...options });
      return result.read();
    };
  const mask = { values: [1, 0, 0.5, 1], width: 2, height: 2 };
  return [
    inject({ gamma: 0.4 }),
    inject({ gamma: 0.5, omega: 0.3, mask }),
    inject({ gamma: (u) => 0.6 * u, tBoost: 300, seed: 4 }),
    inject({ variants: [{ gamma: 0.2 }, { gamma: 0.5 }] }),
    inject({ content: pictureOf(3), stepsInversion: 3 }),
    async (options) => {
      using result = await model.sample({ steps: STEPS, seed: 9, eta: 1, ...options });
      return result.read();
    },
    async (options) => {
      using inverted = await model.invert(pictureOf(5), { steps: STEPS, ...options });
      return inverted.readXT();
    },
  ];
}

function badCalls(model: Model, pair: Inversion): (() => Promise<unknown>)[] {
  const both = { content: pair, original: pair };
  return [
    () => model.inject({ ...both, gamma: 2 }),
    () => model.inject({ ...both, gama: 1 } as never),
    () => model.inject({ ...both, steps: 1 }),
    () => model.inject({ ...both, tap: "nowhere" }),
    () => model.inject({ ...both, mask: { values: [2], width: 1, height: 1 }, steps: STEPS }),
    () => model.inject({ ...both, gamma: () => -1, steps: STEPS }),
    () => model.inject({ content: pair.select(0, 1, 0), original: pair, steps: STEPS }),
    () => model.invert({ tensor: new Float32Array(7) }, { steps: STEPS }),
    () => model.invert([]),
    () => model.invert(pictureOf(1), { steps: 0 }),
    () => model.sample({ count: 0 }),
    () => model.loadInversion(new Uint8Array(100)),
    async () => pair.select(9),
  ];
}
