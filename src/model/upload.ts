import { LimitError, UserError } from "../errors";
import { Buffers } from "../gpu/buffers";
import { runOnce } from "../gpu/encode";
import { Turns } from "../gpu/patience";
import type { PackedWeight } from "../graph/lower";
import { byteLength, elements, f32, type Tensor } from "../kernels/dispatch";
import { type HalfReport, halfReport } from "./checkpoint/f16";
import type { ModelCheckpoint } from "./checkpoint/model";

/** A driver may keep what it is given to write until the next submit: no more than this many bytes, and one weight. */
const MOST_STAGED = 16 * 2 ** 20;

/** Bytes beyond those of the largest tensor in which the next one is read while one is packed. */
const READ_AHEAD = 4 * 2 ** 20;

/** Room for packing, in that of the largest packed weight: Winograd's filters are put in order first, 16 values for one. */
const ROOM = 1 + 1 / 16;

/** Values that have to be transformed before the device does it: its pipeline takes as long to compile as fewer do to pack. */
const WORTH_A_PIPELINE = 2 ** 24;

/** Values hashed at a time. */
const HASHED = 2 ** 20;

/** Reads, packs and uploads every weight, in the order of the file: a server without ranges is read once from front to back.
 *  @param full how a weight is packed that f16 would damage
 *  @returns the hash of values, configuration and schedule, and what f16 did to them where that is worth a note
 *  @throws UserError when a tensor is missing or of another size, or a weight does not fit the device */
export async function upload(
  checkpoint: ModelCheckpoint,
  stored: ReadonlyMap<string, PackedWeight>,
  full: ReadonlyMap<string, PackedWeight>,
  buffers: Buffers,
  signal?: AbortSignal,
): Promise<{ hash: string; notes: Readonly<Record<string, HalfReport>> }> {
  const uses = usesOf(stored);
  const writer = new WeightWriter(buffers, stored, full, signal);
  const largest = Math.max(0, ...[...uses.values()].map(([use]) => use!.elements));
  const scratch = new Uint8Array(4 * largest + READ_AHEAD);
  try {
    for (const [name, { sources }] of stored) if (sources.length === 0) await writer.constant(name);
    const hash = await readAll(checkpoint, uses, scratch, signal, async (places, values) => {
      for (const { name, at } of places) await writer.take(name, at, values);
    });
    await buffers.ready();
    return { hash, notes: writer.notes };
  } finally {
    writer.destroy();
  }
}

/** The network's hash alone, as `upload` returns it. */
export function identify(
  checkpoint: ModelCheckpoint,
  stored: ReadonlyMap<string, PackedWeight>,
  signal?: AbortSignal,
): Promise<string> {
  return readAll(checkpoint, usesOf(stored), undefined, signal, async () => {});
}

/** Reads every tensor that is used, in the order of the file. While one is hashed and packed, the next one is read where both
 *  have room in `scratch`: one at its front, one at its back. Hashing while packing would save a tenth of the time, and cost
 *  24 MiB for a file of 455 MB. @returns the network's hash */
async function readAll(
  checkpoint: ModelCheckpoint,
  uses: ReadonlyMap<string, readonly Use[]>,
  scratch: Uint8Array<ArrayBuffer> | undefined,
  signal: AbortSignal | undefined,
  take: (places: readonly Use[], values: Float32Array<ArrayBuffer>) => Promise<void>,
): Promise<string> {
  const digests: string[] = [];
  for (const key of uses.keys())
    if (!checkpoint.tensors.has(key)) throw new UserError(`${checkpoint.file}: has no tensor ${key}`);
  const keys = [...checkpoint.tensors.keys()].filter((key) => uses.has(key));
  const bytes = (i: number) => 4 * uses.get(keys[i]!)![0]!.elements;
  const room = scratch?.length ?? 0;
  /** Reads tensor i while the one before is in use, at the other end of the scratch. */
  const readAhead = (i: number, back: boolean) => {
    const into = back ? scratch!.subarray(room - bytes(i)) : scratch!.subarray(0, bytes(i));
    const values = checkpoint.read(keys[i]!, signal, into);
    values.catch(() => {}); // heard when its turn comes, which it may not
    return { values, back };
  };
  let ahead: ReturnType<typeof readAhead> | undefined;
  for (const [i, key] of keys.entries()) {
    signal?.throwIfAborted();
    const places = uses.get(key)!;
    const values = await (ahead?.values ?? checkpoint.read(key, signal, scratch));
    const { elements } = places[0]!;
    if (values.length !== elements)
      throw new UserError(`${checkpoint.file}: ${key} has ${values.length} values, the model needs ${elements}`);
    const both = i + 1 < keys.length && bytes(i) + bytes(i + 1) <= room;
    ahead = both ? readAhead(i + 1, !ahead?.back) : undefined;
    digests.push(`${key}:${await hashed(values)}`);
    await take(places, values);
  }
  return identity(digests, checkpoint);
}

/** Where a checkpoint tensor goes: into which weight, behind how many values of its other sources. */
interface Use {
  readonly name: string;
  readonly at: number;
  readonly elements: number;
}

function usesOf(stored: ReadonlyMap<string, PackedWeight>): Map<string, Use[]> {
  const uses = new Map<string, Use[]>();
  for (const [name, { sources }] of stored) {
    let at = 0;
    for (const { key, elements } of sources) {
      uses.set(key, [...(uses.get(key) ?? []), { name, at, elements }]);
      at += elements;
    }
  }
  return uses;
}

/** Puts weights on the GPU as their sources come. */
class WeightWriter {
  readonly notes: Record<string, HalfReport> = {};
  /** weights of several sources that have to be packed as one, until all are there */
  readonly #waiting = new Map<string, { all: Float32Array<ArrayBuffer>; missing: number }>();
  #staged = 0;
  /** where weights are packed, one after another */
  #room: Float32Array<ArrayBuffer> | undefined;
  #taken = 0;
  /** values that the device packs, of one weight after another */
  readonly #raw: Buffers;
  /** values of the largest of these */
  readonly #largest: number;
  readonly #turns: Turns;
  /** Whether the device packs what it can. */
  readonly #transforms: boolean;

  constructor(
    readonly buffers: Buffers,
    readonly stored: ReadonlyMap<string, PackedWeight>,
    readonly full: ReadonlyMap<string, PackedWeight>,
    readonly signal: AbortSignal | undefined,
  ) {
    this.#raw = new Buffers(buffers.device);
    this.#turns = new Turns(signal);
    const sizes = [...stored.values()].map((w) => (w.transform ? valuesOf(w) : 0));
    this.#largest = Math.max(0, ...sizes);
    this.#transforms = sizes.reduce((sum, size) => sum + size, 0) >= WORTH_A_PIPELINE;
  }

  destroy(): void {
    this.#raw.destroy();
  }

  /** A weight that no checkpoint tensor makes. */
  async constant(name: string): Promise<void> {
    const weight = this.stored.get(name)!;
    await this.#write(weight, await this.#packed(weight, new Float32Array(0)), 0);
  }

  /** One source of a weight. `values` may be used again afterwards. */
  async take(name: string, at: number, values: Float32Array<ArrayBuffer>): Promise<void> {
    const weight = this.stored.get(name)!;
    if (!weight.packing) return this.#write(weight, asBytes(values), 4 * at);
    if (weight.sources.length === 1) return this.#finish(name, values);
    const waiting = this.#waiting.get(name) ?? {
      all: new Float32Array(valuesOf(weight)),
      missing: weight.sources.length,
    };
    this.#waiting.set(name, waiting);
    waiting.all.set(values, at);
    if (--waiting.missing > 0) return;
    this.#waiting.delete(name);
    await this.#finish(name, waiting.all);
  }

  async #finish(name: string, all: Float32Array<ArrayBuffer>): Promise<void> {
    const asked = this.stored.get(name)!;
    const half = asked.tensor.dtype === "f16" ? halfReport(all) : undefined;
    if (half && (!half.safe || half.flushed > 0)) this.notes[name] = half;
    const weight = half && !half.safe ? this.full.get(name)! : asked;
    if (this.#onDevice(weight)) await this.#transformed(weight, all);
    else await this.#write(weight, await this.#packed(weight, all), 0);
  }

  #onDevice({ transform }: PackedWeight): boolean {
    return this.#transforms && transform !== undefined;
  }

  /** Packs a weight on the device, which reads its values from one buffer for all. */
  async #transformed({ tensor, transform }: PackedWeight, all: Float32Array<ArrayBuffer>): Promise<void> {
    await this.#turns.give();
    const values = f32("values", all.length);
    const raw = this.#raw.make(values.name, 4 * this.#largest);
    const packed = this.#bufferOf(tensor);
    this.#raw.write(raw, 0, all);
    await this.#raw.ready();
    await this.buffers.ready();
    const { device } = this.buffers;
    await runOnce(device, [transform!(values)], (t) => ({ buffer: t === values ? raw : packed }), this.signal);
    await this.#written(all.byteLength);
  }

  /** A cancel is heard between the parts. */
  async #packed(weight: PackedWeight, all: Float32Array<ArrayBuffer>): Promise<Uint8Array> {
    await this.#turns.give();
    if (!weight.packing) return asBytes(all);
    this.#taken = 0;
    const packing = weight.packing(all, (length) => this.#take(length));
    for (;;) {
      const part = packing.next();
      if (part.done) return part.value;
      await this.#turns.give();
    }
  }

  /** The next values of the room. Memory taken anew for every weight would pile up: it is freed when the collector finds time. */
  #take(length: number): Float32Array<ArrayBuffer> {
    this.#room ??= new Float32Array(Math.ceil(ROOM * this.#largestPacked()));
    const at = this.#taken;
    this.#taken += length;
    return this.#taken <= this.#room.length ? this.#room.subarray(at, this.#taken) : new Float32Array(length);
  }

  /** Values of the largest weight that is packed here. */
  #largestPacked(): number {
    const weights = [...this.stored.values(), ...this.full.values()];
    return Math.max(...weights.map((w) => (w.packing && !this.#onDevice(w) ? elements(w.tensor) : 0)));
  }

  async #write({ tensor }: PackedWeight, bytes: Uint8Array, offset: number): Promise<void> {
    this.buffers.write(this.#bufferOf(tensor), offset, bytes as Uint8Array<ArrayBuffer>);
    await this.#written(bytes.length);
  }

  #bufferOf(tensor: Tensor): GPUBuffer {
    const limit = this.buffers.gpu.limits.maxStorageBufferBindingSize;
    if (byteLength(tensor) > limit) throw new LimitError(tensor.name, byteLength(tensor), limit);
    return this.buffers.makeFor(tensor);
  }

  /** Waits where the driver may hold much that was given to it. */
  async #written(bytes: number): Promise<void> {
    if ((this.#staged += bytes) < MOST_STAGED) return;
    this.#staged = 0;
    const { device } = this.buffers;
    const { gpu } = device;
    await this.buffers.ready();
    gpu.queue.submit([]);
    await device.wait(gpu.queue.onSubmittedWorkDone());
  }
}

/** Values of all sources of a weight. */
const valuesOf = ({ sources }: PackedWeight): number => sources.reduce((sum, { elements }) => sum + elements, 0);

const asBytes = (all: Float32Array): Uint8Array => new Uint8Array(all.buffer, all.byteOffset, all.byteLength);

/** SHA-256 of the values; of a large tensor, those of its pieces: the copy that is hashed stays small. */
async function hashed(values: Float32Array): Promise<string> {
  const digests: string[] = [];
  for (let at = 0; at < values.length; at += HASHED) digests.push(await sha256(values.subarray(at, at + HASHED)));
  return digests.join();
}

async function sha256(data: Float32Array | Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/** Hashes all that an inversion depends on: weights, configuration, and of the schedule all but how samples are drawn. */
function identity(weights: readonly string[], { config, schedule }: ModelCheckpoint): Promise<string> {
  const { trainSteps, betas, zeroSnr, prediction } = schedule;
  const settings = { ...config, heads: config.heads ?? 1, schedule: { trainSteps, betas, zeroSnr, prediction } };
  const sorted = (_: string, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return sha256(new TextEncoder().encode([...weights.toSorted(), JSON.stringify(settings, sorted)].join("\n")));
}
