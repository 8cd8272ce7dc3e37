import type { Pixels, RunOptions, StepEvent } from "../api";
import { UserError } from "../errors";
import type { Device } from "../gpu/device";
import type { Programs } from "../graph/programs";
import { type Recording, replay } from "../graph/record";
import type { Snapshots } from "./snapshots";
import type { Copy, Submission } from "./submission";

/** Where a run begins, and who copies its state. */
export interface RunFrom {
  /** the first step to submit; those before are done already */
  readonly first?: number;
  readonly snapshots?: Snapshots | undefined;
}

/** Submits every step, one command buffer each, without reading anything back (snapshots aside). Steps are paced, so that progress is true
 *  and cancelling is quick; the next step is always encoded before the last one is waited for.
 *  @throws the signal's reason when cancelled, DeviceLostError when the device goes away */
export async function runSteps(
  device: Device,
  programs: Programs,
  submissions: readonly Submission[],
  rowStride: number,
  phase: StepEvent["phase"],
  { signal, onStep }: RunOptions,
  preview: () => Promise<Pixels[]>,
  { first = 0, snapshots }: RunFrom = {},
): Promise<void> {
  const pace = new Pace(device);
  const encode = (k: number): GPUCommandBuffer | undefined => {
    const submission = submissions[k];
    if (!submission) return undefined;
    const after = [...(submission.after ?? []), ...(snapshots?.copies(k) ?? [])];
    return encodeStep(device, programs, { ...submission, after }, rowStride);
  };
  const report = async (k: number) => {
    await snapshots?.arrived(k);
    const { t } = submissions[k]!;
    await onStep?.({ phase, step: k + 1, steps: submissions.length, t, preview });
    signal?.throwIfAborted();
  };
  let reported = first;
  let next = encode(first);
  for (let k = first; k < submissions.length; k++) {
    signal?.throwIfAborted();
    device.check();
    device.gpu.queue.submit([next!]);
    pace.submitted();
    snapshots?.submitted(k);
    next = encode(k + 1);
    for (; reported <= k - pace.ahead; reported++) {
      await pace.finished();
      await report(reported);
    }
  }
  for (; reported < submissions.length; reported++) {
    await pace.finished();
    await report(reported);
  }
}

/** One step as a command buffer. */
export function encodeStep(device: Device, programs: Programs, s: Submission, rowStride: number): GPUCommandBuffer {
  const encoder = device.gpu.createCommandEncoder({ label: `${s.program} t=${s.t}` });
  for (const copy of s.before ?? []) encodeCopy(encoder, copy);
  const pass = encoder.beginComputePass({ label: s.program });
  replay(pass, recording(programs, s.program).nodes, s.row * rowStride);
  pass.end();
  for (const copy of s.after ?? []) encodeCopy(encoder, copy);
  return encoder.finish();
}

export function encodeCopies(device: Device, copies: readonly Copy[]): GPUCommandBuffer {
  const encoder = device.gpu.createCommandEncoder();
  for (const copy of copies) encodeCopy(encoder, copy);
  return encoder.finish();
}

const encodeCopy = (encoder: GPUCommandEncoder, { from, fromOffset = 0, to, toOffset = 0, bytes }: Copy): void =>
  encoder.copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);

function recording(programs: Programs, name: string): Recording {
  const found = programs.recordings[name];
  if (!found) throw new UserError(`no step graph "${name}" was compiled`);
  return found;
}

/** Keeps steps queued, so that a GPU never waits for the host: two, or one where a step takes long. */
class Pace {
  readonly ahead: number;
  readonly #done: Promise<undefined>[] = [];

  constructor(readonly device: Device) {
    this.ahead = device.adapterClass === "software" ? 1 : 2;
  }

  submitted(): void {
    this.#done.push(this.device.gpu.queue.onSubmittedWorkDone());
  }

  async finished(): Promise<void> {
    await this.device.wait(this.#done.shift()!);
  }
}
