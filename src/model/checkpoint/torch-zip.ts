import { UserError } from "../../errors";
import { checkSharing, MAX_TENSORS, type Opened, type StoredTensor, shown } from "./container";
import { crc32 } from "./crc32";
import { DTYPE_BYTES } from "./dtype";
import { PickleShort, unpickle } from "./pickle";
import type { ByteSource, Scratch } from "./source";
import { findStateDict } from "./state-dict";
import { readView } from "./strided";
import { dataOffset, type ZipRecord, zipDirectory } from "./zip-directory";

/** data.pkl of the paper's largest model has 60 KB. */
const MAX_PICKLE_BYTES = 32 * 2 ** 20;

/** Reads a record and checks its CRC-32. Zero means that none was computed (torch has an option for that). */
async function wholeRecord(source: ByteSource, record: ZipRecord, signal?: AbortSignal, into?: Scratch) {
  const bytes = await source.read(await dataOffset(source, record, signal), record.size, signal, into);
  if (record.crc32 !== 0 && crc32(bytes) !== record.crc32)
    throw new UserError(`${source.name}: "${record.name}" is damaged (CRC-32 differs); download the file again`);
  return bytes;
}

/** The folder of all records: the one with data.pkl in it. */
function rootOf(records: ReadonlyMap<string, ZipRecord>, file: string): string {
  const names = [...records.keys()];
  if (names.some((name) => /^[^/]+\/constants\.pkl$/.test(name)))
    throw new UserError(
      `${file}: is a TorchScript program, not a state dict; in PyTorch: torch.save(torch.jit.load(path).state_dict(), ...)`,
    );
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length === 1) return pickles[0]!.slice(0, -"data.pkl".length);
  if (names.some((name) => name.endsWith(".npy")))
    throw new UserError(`${file}: is a NumPy archive (npz), not a checkpoint; choose the PyTorch or safetensors file`);
  throw new UserError(
    `${file}: is a zip without one data.pkl (it holds ${names.slice(0, 3).join(", ") || "nothing"}); if a checkpoint was zipped, unzip it first`,
  );
}

/** Opens what torch.save writes since PyTorch 1.6. Reads the directory and data.pkl now, storages on request.
 *  @param ema take the moving average where the file has one */
export async function openTorchZip(source: ByteSource, ema: boolean, signal?: AbortSignal): Promise<Opened> {
  const file = source.name;
  const records = await zipDirectory(source, signal);
  const root = rootOf(records, file);
  const order = records.get(`${root}byteorder`);
  if (order && order.size < 16) {
    const text = new TextDecoder().decode(await wholeRecord(source, order, signal)).trim();
    if (text !== "little")
      throw new UserError(`${file}: its numbers are ${shown(text, 12)}-endian; re-save it on a little-endian machine`);
  }
  const pickle = records.get(`${root}data.pkl`)!;
  if (!pickle.stored)
    throw new UserError(
      `${file}: is a compressed zip; unzip it and zip it again without compression (zip -0 -r model.pt FOLDER)`,
    );
  if (pickle.size > MAX_PICKLE_BYTES)
    throw new UserError(
      `${file}: its data.pkl has ${pickle.size} bytes; at most ${MAX_PICKLE_BYTES} are read, re-save only the tensors`,
    );
  const bytes = await wholeRecord(source, pickle, signal);
  const { tensors, wrapper, ignored, metadata } = findStateDict(unpickleAll(bytes, file), file, ema);
  if (tensors.size > MAX_TENSORS)
    throw new UserError(`${file}: names ${tensors.size} tensors; at most ${MAX_TENSORS} are read`);

  const found: (readonly [string, StoredTensor, ZipRecord])[] = [];
  for (const [name, { storage, offset, shape, stride }] of tensors) {
    const record = records.get(`${root}data/${storage.key}`);
    const size = storage.numel * DTYPE_BYTES[storage.dtype];
    if (!record)
      throw new UserError(
        `${file}: the storage data/${shown(storage.key, 40)} of tensor ${name} is missing; download it again`,
      );
    if (!record.stored)
      throw new UserError(
        `${file}: is a compressed zip; unzip it and zip it again without compression (zip -0 -r model.pt FOLDER)`,
      );
    if (record.size !== size)
      throw new UserError(
        `${file}: expected ${size} bytes for the storage of ${name}, got ${record.size}; download it again`,
      );
    found.push([name, { key: storage.key, dtype: storage.dtype, offset, shape, stride }, record]);
  }
  checkSharing(
    found.map(([, tensor]) => tensor),
    source.size,
    file,
  );
  found.sort((a, b) => a[2].header - b[2].header || a[1].offset - b[1].offset);
  const byName = new Map(found.map(([name, tensor, record]) => [name, { tensor, record }]));

  return {
    container: "torch-zip",
    tensors: new Map(found.map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
    metadata,
    wrapper,
    ignored,
    async read(name, signal, into) {
      const entry = byName.get(name);
      if (!entry) throw new UserError(`${file}: has no tensor ${name}`);
      const { tensor, record } = entry;
      const part = async (offset: number, length: number, into?: Scratch) => {
        if (offset === 0 && length === record.size) return wholeRecord(source, record, signal, into);
        return source.read((await dataOffset(source, record, signal)) + offset, length, signal, into);
      };
      return readView(tensor, part, into);
    },
    close: () => source.close?.(),
  };
}

/** Unpickles a record that is one whole pickle. */
function unpickleAll(bytes: Uint8Array, file: string) {
  try {
    return unpickle(bytes, 0, file).value;
  } catch (error) {
    if (error instanceof PickleShort) throw new UserError(`${file}: data.pkl is cut short; download the file again`);
    throw error;
  }
}
