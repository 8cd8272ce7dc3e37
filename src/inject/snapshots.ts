import type { RunOptions, RunSnapshot } from "../api";
import { UserError } from "../errors";
import { receive, takeStaging } from "../gpu/buffers";
import type { ErrorScope } from "../gpu/error-scope";
import type { Copy, OpenRun } from "./open-run";
import { keptBy } from "./plan";

/** A copy on its way to the host, made by the commands of a step. */
interface Staged {
  readonly buffer: GPUBuffer;
  /** names and bytes in order */
  readonly parts: readonly { readonly name: string; readonly bytes: number }[];
  arrival?: Promise<void>;
}

/** The state of a run on the host, some steps behind the GPU. Copies are part of a step's commands, and only the step's own
 *  completion is awaited. */
export class Snapshots {
  readonly #staged = new Map<number, Staged>();
  #unsaved: number;
  #closed = false;
  #last: RunSnapshot | undefined;

  /** @param key which run this is */
  constructor(
    readonly run: OpenRun,
    readonly key: string,
    readonly errors: ErrorScope,
    readonly options: Pick<RunOptions, "resume" | "onSnapshot"> & { readonly snapshotEvery: number },
  ) {
    const { resume } = options;
    this.#unsaved = resume?.step ?? 0;
    this.#last = resume;
  }

  /** The newest state that has arrived. */
  get last(): RunSnapshot | undefined {
    return this.#last;
  }

  /** Copies to make at the end of step k: none unless it is the step's turn. */
  copies(k: number): Copy[] {
    const { steps, state } = this.run.plan;
    if ((k + 1) % this.options.snapshotEvery !== 0 && k + 1 < steps.length) return [];
    const kept = steps.slice(this.#unsaved, k + 1).flatMap((step) => keptBy(this.run.plan, step));
    this.#unsaved = k + 1;
    const sources = [...state, ...kept].map((name) => ({ name, from: this.run.buffer(name) }));
    const size = sources.reduce((sum, { from }) => sum + from.size, 0);
    const staging = takeStaging(this.run.device, size, this.errors);
    let toOffset = 0;
    const copies = sources.map(({ from }): Copy => {
      const copy = { from, to: staging, toOffset, bytes: from.size };
      toOffset += from.size;
      return copy;
    });
    this.#staged.set(k, { buffer: staging, parts: sources.map(({ name, from }) => ({ name, bytes: from.size })) });
    return copies;
  }

  /** Step k was submitted. */
  submitted(k: number): void {
    const staged = this.#staged.get(k);
    if (!staged) return;
    staged.arrival = this.#receive(k, staged);
    staged.arrival.catch(() => {}); // `arrived` reports it
  }

  /** Waits for the state after step k. @throws DeviceLostError */
  async arrived(k: number): Promise<void> {
    await this.#staged.get(k)?.arrival;
    this.#staged.delete(k);
  }

  /** Frees what has not arrived. */
  close(): void {
    this.#closed = true;
    for (const { buffer } of this.#staged.values()) buffer.destroy();
    this.#staged.clear();
  }

  async #receive(k: number, { buffer, parts }: Staged): Promise<void> {
    const sizes = parts.map(({ bytes }) => bytes);
    const received = await receive(this.run.device, buffer, sizes, this.errors);
    if (this.#closed) return;
    this.run.device.staging.give(buffer);
    this.#staged.delete(k); // no longer close()'s to free
    const values = Object.fromEntries(parts.map(({ name }, i) => [name, new Float32Array(received[i]!)]));
    const { x, ...kept } = values;
    const { phase } = this.run.plan;
    this.#last = { phase, run: this.key, step: k + 1, x: x!, kept: { ...this.#last?.kept, ...kept } };
    this.options.onSnapshot?.(this.#last);
  }
}

/** Puts the state, and what the steps before left behind, back onto the GPU.
 *  @throws UserError when the snapshot is of another run */
export function restore(run: OpenRun, { run: key, step, x, kept }: RunSnapshot, expected: string): void {
  const { plan, device } = run;
  const written = plan.steps.slice(0, step).flatMap((done) => keptBy(plan, done));
  const values: Readonly<Record<string, Float32Array>> = { ...kept, x };
  const tensors = [...plan.state, ...written].map((name) => ({ data: values[name], buffer: run.buffer(name) }));
  if (key !== expected || !tensors.every(({ data, buffer }) => data?.byteLength === buffer.size))
    throw new UserError(
      "the snapshot belongs to another run (model or parameters differ); run with those it was made with, or leave out resume",
    );
  for (const { data, buffer } of tensors) device.gpu.queue.writeBuffer(buffer, 0, new Float32Array(data!));
}
