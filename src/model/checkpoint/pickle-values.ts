import { UserError } from "../../errors";
import { checkShape, isSize, shown } from "./container";
import type { DType } from "./dtype";
import { count, span } from "./strided";

/** Values of a restricted pickle. Dicts are Maps, lists arrays. */
export type Pickled =
  | null
  | boolean
  | number
  | bigint
  | string
  | Pickled[]
  | Map<Pickled, Pickled>
  | Tuple
  | GlobalRef
  | StorageRef
  | TensorRef;

export class Tuple {
  constructor(readonly items: readonly Pickled[]) {}
}

/** Key of a dict. Numbers and the like, which nobody looks up, are wrapped: a file can choose numbers that all share one
 *  hash in a Map, and inserting them would take quadratic time. */
export const keyOf = (key: Pickled): Pickled => (typeof key === "string" ? key : new Tuple([key]));

/** An allowlisted name; never the object it names. */
export class GlobalRef {
  constructor(readonly name: string) {}
}

/** A flat array of elements elsewhere in the file. */
export class StorageRef {
  constructor(
    readonly key: string,
    readonly dtype: DType,
    /** Elements. */
    readonly numel: number,
    /** Elements between the start of the root storage and this one (legacy storage views). */
    readonly offset = 0,
  ) {}
}

/** A view on a storage; `offset`, `shape` and `stride` count elements. */
export class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly stride: readonly number[],
  ) {}
}

const storages: Readonly<Record<string, DType>> = {
  "torch.FloatStorage": "F32",
  "torch.HalfStorage": "F16",
  "torch.BFloat16Storage": "BF16",
  "torch.DoubleStorage": "F64",
  "torch.LongStorage": "I64",
  "torch.IntStorage": "I32",
  "torch.ShortStorage": "I16",
  "torch.CharStorage": "I8",
  "torch.ByteStorage": "U8",
  "torch.BoolStorage": "BOOL",
};

const calls = new Set([
  "collections.OrderedDict",
  "torch._utils._rebuild_tensor",
  "torch._utils._rebuild_tensor_v2",
  "torch._utils._rebuild_parameter",
  "torch.serialization._get_layout",
  "torch.Size",
]);

/** @throws UserError for every global except those that state dicts of plain tensors consist of */
export function refuseGlobal(module: string, name: string, file: string): void {
  const full = `${module}.${name}`;
  if (calls.has(full) || Object.hasOwn(storages, full)) return;
  throw new UserError(
    `${file}: refused, its pickle asks for "${shown(full, 120)}", which is not part of a state dict and is never run here; if you trust the file, re-save only the tensors: torch.save(model.state_dict(), ...)`,
  );
}

/** The storage that a persistent id `('storage', Class, key, location, numel[, view])` names; undefined for other ids. */
export function storageOf(id: readonly Pickled[]): StorageRef | undefined {
  const [kind, type, key, , numel, view] = id;
  if (kind !== "storage" || !(type instanceof GlobalRef) || typeof key !== "string" || !isSize(numel)) return undefined;
  const dtype = Object.hasOwn(storages, type.name) ? storages[type.name] : undefined;
  if (!dtype) return undefined;
  if (view === undefined || view === null) return new StorageRef(key, dtype, numel);
  if (!(view instanceof Tuple)) return undefined;
  const [, offset, size] = view.items; // (view_key, offset, size), elements of the root storage
  if (!isSize(offset) || !isSize(size) || offset + size > numel) return undefined;
  return new StorageRef(key, dtype, numel, offset);
}

const sizes = (value: Pickled | undefined): readonly number[] | undefined =>
  value instanceof Tuple && value.items.every(isSize) ? (value.items as readonly number[]) : undefined;

/** Elements a view may have if its storage has fewer: an expanded vector repeats one element with stride 0. */
const MAX_EXPANDED = 65_536;

function tensor(args: readonly Pickled[], file: string): TensorRef {
  const [storage, offset] = args;
  const shape = sizes(args[2]);
  const stride = sizes(args[3]);
  if (!(storage instanceof StorageRef) || !isSize(offset) || !shape || !stride || shape.length !== stride.length)
    throw new UserError(`${file}: damaged pickle (a tensor with impossible sizes); download the file again`);
  checkShape("in the pickle", shape, file);
  const elements = count(shape);
  const last = storage.offset + offset + span({ shape, stride });
  if (!Number.isSafeInteger(last) || last > storage.numel || elements > Math.max(storage.numel, MAX_EXPANDED))
    throw new UserError(
      `${file}: a tensor of shape [${shape.join(", ")}] at element ${offset} does not fit its storage of ${storage.numel} elements; the file is damaged, download it again`,
    );
  return new TensorRef(storage, storage.offset + offset, shape, stride);
}

function ordered(items: readonly Pickled[], file: string): Map<Pickled, Pickled> {
  const dict = new Map<Pickled, Pickled>();
  const pairs = items[0] ?? []; // Python 2 writes the items as a list of [key, value]
  if (!Array.isArray(pairs))
    throw new UserError(
      `${file}: damaged pickle (an OrderedDict of something that is not a list); download the file again`,
    );
  for (const pair of pairs) {
    const both = pair instanceof Tuple ? pair.items : pair;
    if (!Array.isArray(both) || both.length !== 2)
      throw new UserError(`${file}: damaged pickle (an OrderedDict item that is not a pair); download the file again`);
    dict.set(keyOf(both[0] as Pickled), both[1] as Pickled);
  }
  return dict;
}

/** Evaluates a call of an allowlisted global. Pure data in, pure data out. */
export function call(name: string, args: readonly Pickled[], file: string): Pickled {
  switch (name) {
    case "collections.OrderedDict":
      return ordered(args, file);
    case "torch._utils._rebuild_tensor":
    case "torch._utils._rebuild_tensor_v2":
      return tensor(args, file);
    case "torch._utils._rebuild_parameter": {
      const data = args[0];
      if (data instanceof TensorRef) return data;
      throw new UserError(`${file}: damaged pickle (a Parameter without a tensor); download the file again`);
    }
    case "torch.serialization._get_layout":
    case "torch.Size":
      return null;
    default:
      throw new UserError(
        `${file}: damaged pickle ("${name}" is a storage, yet it is called); download the file again`,
      );
  }
}
