import type { Pixels, RunOptions } from "../api";
import { DeviceLostError, UserError } from "../errors";
import { Buffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import type { ErrorScope } from "../gpu/error-scope";
import { type PictureShape, pictureShape } from "../model/config";
import { labelData, type Network } from "../model/network";
import { alphaBars } from "../model/schedule";
import { armCheck, explainFailure, failedStep } from "./explain";
import { toPixels } from "./images";
import { OpenRun } from "./open-run";
import { stepOps } from "./ops";
import { batchOf, checkPlan, type RunPlan, runKey } from "./plan";
import { restore, Snapshots } from "./snapshots";
import { TENSOR } from "./step-graphs";
import { stepTable } from "./step-table";

/** Buffers of a plan's given tensors, by name. */
export type Given = ReadonlyMap<string, GPUBuffer>;

/** Runs a plan: compiles its graphs, uploads the step table, submits every step and frees everything but what is kept.
 *  @returns the kept tensors, which are the caller's
 *  @throws NonFiniteError naming step and node; DeviceLostError with the newest snapshot; UserError when memory runs out;
 *  the signal's reason when cancelled. Nothing is left on the GPU then. */
export async function execute(network: Network, plan: RunPlan, given: Given, options: RunOptions): Promise<Buffers> {
  checkPlan(plan);
  const { device } = network;
  const kept = new Buffers(device);
  const own = new Buffers(device);
  let run: OpenRun | undefined;
  try {
    for (const [name, shape] of Object.entries(plan.kept)) kept.make(name, bytesOf(shape));
    const rows = plan.steps.map(({ samples }) => samples);
    own.upload("steps", stepTable(rows, alphaBars(plan.precision, plan.schedule), plan.schedule.prediction));
    if (plan.labels) own.upload("labels", labelData(plan.labels, network.config));
    const bound = (name: string) => own.get(name) ?? kept.get(name) ?? given.get(name);
    await Promise.all([own.ready(), kept.ready()]);
    const programs = await network.compile(plan.graphs, stepOps, bound, options.signal);
    run = new OpenRun(device, plan, programs, bound);
    await runFrom(run, options, pictureShape(network.config));
    return kept;
  } catch (error) {
    kept.destroy();
    throw error;
  } finally {
    run?.close();
    own.destroy();
  }
}

const bytesOf = (shape: readonly number[]): number => 4 * shape.reduce((a, b) => a * b, 1);

/** Runs every step, from that of `options.resume` on. */
async function runFrom(run: OpenRun, options: RunOptions, shape: PictureShape): Promise<void> {
  const { device, plan } = run;
  const { resume, snapshotEvery } = options;
  const key = resume || snapshotEvery !== undefined ? runKey(plan) : "";
  const errors = device.errors(plan.phase);
  const snapshots =
    snapshotEvery === undefined ? undefined : new Snapshots(run, key, errors, { ...options, snapshotEvery });
  const begin = () => {
    armCheck(run);
    if (resume) restore(run, resume, key);
  };
  try {
    errors.run(begin);
    await submitSteps(run, options, shape, errors, snapshots);
    const failed = await failedStep(run);
    if (failed !== undefined) throw await explainFailure(run, failed, resume?.step ?? 0, begin);
  } catch (error) {
    if (!(error instanceof DeviceLostError)) throw error;
    throw new DeviceLostError(error.message, snapshots?.last ?? resume);
  } finally {
    snapshots?.close();
  }
}

/** Submits every step, one command buffer each, without reading anything back (snapshots aside). Steps are paced, so that
 *  progress is true and cancelling is quick; the next step is always encoded before the last one is waited for. */
async function submitSteps(
  run: OpenRun,
  options: RunOptions,
  shape: PictureShape,
  errors: ErrorScope,
  snapshots: Snapshots | undefined,
): Promise<void> {
  const { signal, onStep, resume } = options;
  const { device } = run;
  const { phase, steps } = run.plan;
  const first = resume?.step ?? 0;
  const pace = new Pace(device, signal);
  const preview = async (): Promise<Pixels[]> => {
    if (run.closed) throw new UserError("the run has ended, so there is no preview; read its result instead");
    return toPixels(device, run.buffer(TENSOR.x0), batchOf(run.plan), shape);
  };
  const encode = (k: number): GPUCommandBuffer | undefined =>
    k < steps.length ? errors.run(() => run.encode(k, snapshots?.copies(k))) : undefined;
  const report = async (k: number) => {
    await errors.settled();
    await snapshots?.arrived(k);
    await onStep?.({ phase, step: k + 1, steps: steps.length, t: steps[k]!.t, preview });
    signal?.throwIfAborted();
  };
  let reported = first;
  let next = encode(first);
  for (let k = first; k < steps.length; k++) {
    signal?.throwIfAborted();
    device.check();
    errors.run(() => device.gpu.queue.submit([next!]));
    pace.submitted();
    snapshots?.submitted(k);
    next = encode(k + 1);
    for (; reported <= k - pace.ahead; reported++) {
      await pace.finished();
      await report(reported);
    }
  }
  for (; reported < steps.length; reported++) {
    await pace.finished();
    await report(reported);
  }
}

/** Keeps steps queued, so that a GPU never waits for the host: two, or one where a step takes long. */
class Pace {
  readonly ahead: number;
  readonly #done: Promise<undefined>[] = [];

  constructor(
    readonly device: Device,
    readonly signal: AbortSignal | undefined,
  ) {
    this.ahead = device.adapterClass === "software" ? 1 : 2;
  }

  submitted(): void {
    const done = this.device.gpu.queue.onSubmittedWorkDone();
    done.catch(() => {}); // a run that has failed waits for none of its later steps
    this.#done.push(done);
  }

  async finished(): Promise<void> {
    await this.device.wait(this.#done.shift()!, this.signal);
  }
}
