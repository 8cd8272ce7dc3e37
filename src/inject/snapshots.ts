import type { RunOptions, RunSnapshot } from "../api";
import { UserError } from "../errors";
import { receive } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { sha256 } from "../model/checkpoint/sha256";
import type { Copy, Submission } from "./submission";

/** Which run this is: the same model, phase, step graphs and step table give the same. */
export function runKey(
  model: string,
  phase: RunSnapshot["phase"],
  submissions: readonly Submission[],
  table: Uint8Array<ArrayBuffer>,
): string {
  const programs = submissions.map(({ program, row }) => `${row}:${program}`);
  const hash = sha256();
  hash.update(new TextEncoder().encode(JSON.stringify([model, phase, programs])));
  hash.update(table);
  return hash.digest();
}

/** A copy on its way to the host, made by the commands of a step. */
interface Staged {
  readonly buffer: GPUBuffer;
  /** names and bytes in order; the first is x */
  readonly parts: readonly { readonly name: string; readonly bytes: number }[];
  arrival?: Promise<void>;
}

/** The state of a run on the host, some steps behind the GPU. Copies are part of a step's commands, so nothing waits for
 *  them but the word that the step is finished. */
export class Snapshots {
  readonly #staged = new Map<number, Staged>();
  #unsaved: number;
  #last: RunSnapshot | undefined;

  constructor(
    readonly device: Device,
    readonly x: GPUBuffer,
    readonly submissions: readonly Submission[],
    readonly run: Pick<RunSnapshot, "phase" | "run">,
    readonly options: Pick<RunOptions, "resume" | "onSnapshot"> & { readonly snapshotEvery: number },
  ) {
    const { resume, snapshotEvery: every } = options;
    if (!Number.isInteger(every) || every < 1)
      throw new UserError(`snapshotEvery ${every}: needed a whole number from 1`);
    this.#unsaved = resume?.step ?? 0;
    this.#last = resume;
  }

  /** The newest state that has arrived. */
  get last(): RunSnapshot | undefined {
    return this.#last;
  }

  /** Copies to make at the end of step k: none unless it is the step's turn. */
  copies(k: number): Copy[] {
    if ((k + 1) % this.options.snapshotEvery !== 0 && k + 1 < this.submissions.length) return [];
    const steps = this.submissions.slice(this.#unsaved, k + 1);
    const sources = [{ name: "x", buffer: this.x }, ...steps.flatMap(({ keeps }) => keeps ?? [])];
    this.#unsaved = k + 1;
    const size = sources.reduce((sum, { buffer }) => sum + buffer.size, 0);
    const staging = this.device.staging.take(size);
    let at = 0;
    const copies = sources.map(({ buffer: from }): Copy => {
      const copy = { from, to: staging, toOffset: at, bytes: from.size };
      at += from.size;
      return copy;
    });
    this.#staged.set(k, {
      buffer: staging,
      parts: sources.map(({ name, buffer }) => ({ name, bytes: buffer.size })),
    });
    return copies;
  }

  /** Step k was submitted. */
  submitted(k: number): void {
    const staged = this.#staged.get(k);
    if (!staged) return;
    staged.arrival = this.#receive(k, staged);
    staged.arrival.catch(() => {}); // whoever waits for the step hears of it
  }

  /** The state after step k is here. @throws DeviceLostError */
  async arrived(k: number): Promise<void> {
    await this.#staged.get(k)?.arrival;
    this.#staged.delete(k);
  }

  /** Frees what has not arrived. */
  close(): void {
    for (const { buffer } of this.#staged.values()) buffer.destroy();
    this.#staged.clear();
  }

  async #receive(k: number, { buffer, parts }: Staged): Promise<void> {
    const sizes = parts.map(({ bytes }) => bytes);
    const received = await receive(this.device, buffer, sizes);
    this.#staged.delete(k); // no longer close()'s to free
    const [x, ...kept] = parts.map(({ name }, i) => [name, new Float32Array(received[i]!)] as const);
    this.#last = { ...this.run, step: k + 1, x: x![1], kept: { ...this.#last?.kept, ...Object.fromEntries(kept) } };
    this.options.onSnapshot?.(this.#last);
  }
}

/** Brings x, and what the steps before left behind, back onto the GPU.
 *  @throws UserError when the snapshot is of another run */
export function restore(
  device: Device,
  { run, step, x: values, kept }: RunSnapshot,
  key: string,
  submissions: readonly Submission[],
  x: GPUBuffer,
): void {
  const left = submissions.slice(0, step).flatMap(({ keeps }) => keeps ?? []);
  const fits = (data: Float32Array | undefined, buffer: GPUBuffer) => data?.byteLength === buffer.size;
  if (run !== key || !fits(values, x) || !left.every(({ name, buffer }) => fits(kept[name], buffer)))
    throw new UserError(
      "the snapshot belongs to another run (model or parameters differ); run with those it was made with, or leave out resume",
    );
  const { queue } = device.gpu;
  queue.writeBuffer(x, 0, new Float32Array(values));
  for (const { name, buffer } of left) queue.writeBuffer(buffer, 0, new Float32Array(kept[name]!));
}
