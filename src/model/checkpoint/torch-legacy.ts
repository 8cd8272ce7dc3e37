import { UserError } from "../../errors";
import { checkSharing, MAX_TENSORS, type Opened, type StoredTensor, shown } from "./container";
import { DTYPE_BYTES, type DType } from "./dtype";
import { PickleShort, unpickle } from "./pickle";
import type { Pickled } from "./pickle-values";
import { type ByteSource, checkRange } from "./source";
import { findStateDict } from "./state-dict";
import { readView } from "./strided";

/** Largest size of the five pickles before the storages: the paper's largest model needs 100 KB. */
const MAX_FRONT_BYTES = 32 * 2 ** 20;

/** Reads the pickles at the start of the stream. The window on the file grows fourfold until the last one is complete. */
async function front(source: ByteSource, signal?: AbortSignal): Promise<{ pickles: Pickled[]; end: number }> {
  const pickles: Pickled[] = [];
  let at = 0;
  let bytes = new Uint8Array(0);
  while (pickles.length < 5) {
    try {
      const { value, end } = unpickle(bytes, at, source.name);
      pickles.push(value);
      at = end;
    } catch (error) {
      if (!(error instanceof PickleShort)) throw error;
      const wanted = Math.min(source.size, Math.max(2 ** 18, bytes.length * 4));
      if (bytes.length === source.size)
        throw new UserError(`${source.name}: torch legacy file ends inside its pickles; truncated, download it again`);
      if (bytes.length >= MAX_FRONT_BYTES)
        throw new UserError(
          `${source.name}: its pickles do not end within ${bytes.length} bytes; re-save only the tensors`,
        );
      const more = await source.read(bytes.length, wanted - bytes.length, signal);
      const joined = new Uint8Array(wanted);
      joined.set(bytes);
      joined.set(more, bytes.length);
      bytes = joined;
    }
  }
  return { pickles, end: at };
}

function checkSystem(system: Pickled | undefined, protocol: Pickled | undefined, file: string): void {
  if (protocol !== 1001)
    throw new UserError(
      `${file}: expected torch legacy protocol 1001, got ${typeof protocol === "number" ? protocol : "?"}; re-save the model`,
    );
  if (!(system instanceof Map) || typeof system.get("little_endian") !== "boolean")
    throw new UserError(`${file}: damaged (its system record has no byte order); download the file again`);
  if (system.get("little_endian") !== true)
    throw new UserError(`${file}: its numbers are big-endian; re-save it on a little-endian machine`);
}

/** Opens what torch.save wrote before PyTorch 1.6: magic, protocol, system, object, storage keys, then each storage as
 *  an i64 count and its elements. Reads the pickles now, storages on request.
 *  @param ema take the moving average where the file has one */
export async function openTorchLegacy(source: ByteSource, ema: boolean, signal?: AbortSignal): Promise<Opened> {
  const file = source.name;
  const { pickles, end } = await front(source, signal);
  checkSystem(pickles[2], pickles[1], file);
  const { tensors, wrapper, ignored, metadata } = findStateDict(pickles[3] as Pickled, file, ema);
  if (tensors.size > MAX_TENSORS)
    throw new UserError(`${file}: names ${tensors.size} tensors; at most ${MAX_TENSORS} are read`);
  const declared = storagesOf(pickles[3] as Pickled, file);
  const starts = storageOffsets(source, pickles[4], declared, end);

  const found: (readonly [string, StoredTensor, number])[] = [];
  for (const [name, { storage, offset, shape, stride }] of tensors) {
    const start = starts.get(storage.key);
    if (start === undefined)
      throw new UserError(`${file}: the storage of tensor ${name} is missing; download the file again`);
    found.push([name, { key: storage.key, dtype: storage.dtype, offset, shape, stride }, start]);
  }
  checkSharing(
    found.map(([, tensor]) => tensor),
    source.size,
    file,
  );
  found.sort((a, b) => a[2] - b[2] || a[1].offset - b[1].offset);
  const byName = new Map(found.map(([name, tensor, start]) => [name, { tensor, start }]));
  const checked = new Set<number>(); // storages whose repeated count has been compared, on their first read

  return {
    container: "torch-legacy",
    tensors: new Map(found.map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
    metadata,
    wrapper,
    ignored,
    async read(name, signal, into) {
      const entry = byName.get(name);
      if (!entry) throw new UserError(`${file}: has no tensor ${name}`);
      const { tensor, start } = entry;
      if (!checked.has(start)) await checkCount(source, start - 8, declared.get(tensor.key)?.numel ?? -1, signal);
      checked.add(start);
      return readView(tensor, (offset, length, into) => source.read(start + offset, length, signal, into), into);
    },
    close: () => source.close?.(),
  };
}

interface Declared {
  readonly dtype: DType;
  readonly numel: number;
}

/** Collects every storage of the object, the optimizer's too: all of them are in the stream. */
function storagesOf(root: Pickled, file: string): Map<string, Declared> {
  const found = new Map<string, Declared>();
  const seen = new Set<Pickled>();
  const queue: Pickled[] = [root];
  for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    if (value instanceof Map) for (const item of value.values()) queue.push(item);
    else if (Array.isArray(value)) for (const item of value) queue.push(item);
    else if ("items" in value) for (const item of value.items) queue.push(item);
    else if ("storage" in value) queue.push(value.storage);
    else if ("numel" in value) {
      const { key, dtype, numel } = value;
      const before = found.get(key);
      if (before && (before.dtype !== dtype || before.numel !== numel))
        throw new UserError(`${file}: storage ${shown(key, 40)} is declared twice, differently; download it again`);
      found.set(key, { dtype, numel });
    }
  }
  return found;
}

/** Computes the offset of each storage's elements from the sizes of those before it.
 *  @throws UserError unless the file ends with the last storage */
function storageOffsets(
  source: ByteSource,
  keys: Pickled | undefined,
  declared: ReadonlyMap<string, Declared>,
  end: number,
): Map<string, number> {
  const file = source.name;
  const starts = new Map<string, number>();
  if (!Array.isArray(keys)) throw new UserError(`${file}: damaged (no list of storages); download the file again`);
  let at = end;
  for (const key of keys) {
    const storage = typeof key === "string" ? declared.get(key) : undefined;
    if (typeof key !== "string" || !storage)
      throw new UserError(
        `${file}: holds a storage (${typeof key === "string" ? shown(key, 40) : "?"}) that no tensor uses, so its size and all that follows are unknown; re-save only the state dict`,
      );
    if (starts.has(key)) throw new UserError(`${file}: damaged (a storage listed twice); download the file again`);
    checkRange(source, at, 8 + storage.numel * DTYPE_BYTES[storage.dtype]);
    starts.set(key, at + 8);
    at += 8 + storage.numel * DTYPE_BYTES[storage.dtype];
  }
  if (at !== source.size)
    throw new UserError(`${file}: expected ${at} bytes, got ${source.size}; damaged, download the file again`);
  return starts;
}

/** @throws UserError unless the i64 at `at` is `numel` */
async function checkCount(source: ByteSource, at: number, numel: number, signal?: AbortSignal): Promise<void> {
  const bytes = await source.read(at, 8, signal);
  const stored = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true);
  if (stored !== BigInt(numel))
    throw new UserError(
      `${source.name}: expected ${numel} elements in the storage at byte ${at}, got ${stored}; damaged, download the file again`,
    );
}
