import { UserError } from "../../errors";
import { DTYPE_BYTES, type DType } from "./dtype";
import type { Scratch } from "./source";
import { count, span, type View } from "./strided";
import type { TfGraph } from "./tfjs-graph";

export interface TensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Shapes of tensors by name. */
export type Shapes = Map<string, readonly number[]>;

/** One opened file as its container describes it: named tensors, nothing renamed. */
export interface Opened {
  readonly container: "safetensors" | "torch-zip" | "torch-legacy" | "tfjs";
  /** In the order of their bytes in the file: reading them in turn reads the file from front to back. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of a TF.js model: the graph whose constants the tensors are. */
  readonly graph?: TfGraph;
  /** Path from the pickled object to its tensors, such as `list[4]` or `state_dict`; empty when flat. */
  readonly wrapper: string;
  /** Names in the file that are not tensors. */
  readonly ignored: readonly string[];
  /** Reads a tensor as contiguous row-major f32. f32 keeps its exact bits; f16, bf16 and integers are exact or rounded.
   *  @param into memory the values may be put in, if there is as much: they last until it is used again
   *  @throws UserError when the file lacks it or ends before it. */
  read(name: string, signal?: AbortSignal, into?: Scratch): Promise<Float32Array<ArrayBuffer>>;
  close(): void;
}

/** Tensors a file may name. The largest of the paper's models has 566. */
export const MAX_TENSORS = 20_000;

/** A tensor of a torch file: a view on one of its storages. */
export interface StoredTensor extends View {
  readonly key: string;
}

/** Names every JavaScript object has: as keys they reach its prototype instead of a value of the file. */
const reserved = new Set([...Object.getOwnPropertyNames(Object.prototype), "prototype"]);

/** @throws UserError for a name with a reserved part, such as `__proto__` or `layer.constructor.weight` */
export function checkReserved(name: string, file: string): void {
  if (name.split(/[./]/).some((part) => reserved.has(part)))
    throw new UserError(
      `${file}: uses the reserved name "${shown(name, 40)}", which no checkpoint needs; get the file from a source you trust`,
    );
}

/** Checks a name that goes into one-line messages, records and graphs.
 *  @throws UserError for one that no program gives a tensor */
export function checkName(name: string, file: string): void {
  if (name.length > 200 || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(name))
    throw new UserError(`${file}: "${shown(name, 40)}" is not the name of a tensor; damaged, download the file again`);
  checkReserved(name, file);
}

export const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const MAX_DIMS = 8;
const MAX_SIZE = 2 ** 31 - 1;
const MAX_ELEMENTS = 2 ** 40;

/** Checks a tensor's shape. Dimensions of size 0 do not excuse the others: their strides are computed all the same.
 *  @throws UserError for more than 8 dimensions, a size beyond 2^31 - 1, or more than 2^40 elements */
export function checkShape(name: string, shape: readonly number[], file: string): void {
  const elements = count(shape.map((size) => Math.max(1, size)));
  if (shape.length <= MAX_DIMS && shape.every((size) => size <= MAX_SIZE) && elements <= MAX_ELEMENTS) return;
  const text = shown(`[${shape.slice(0, MAX_DIMS + 1).join(", ")}]`, 120);
  throw new UserError(
    `${file}: tensor ${name}: no network needs the shape ${text}; expected at most ${MAX_DIMS} dimensions, ${MAX_SIZE} in each, and 2^40 elements; damaged, download the file again`,
  );
}

/** Views may share a storage, as tied weights and moving averages do: up to this many times the bytes of the file. */
const MAX_SHARING = 8;

/** Small files may expand one element into a constant vector here and there. */
const SHARING_SLACK = 64 * 2 ** 20;

/** Checks that reading every tensor is linear in the size of the file.
 *  @throws UserError when views of a few storages add up to many times the file */
export function checkSharing(tensors: Iterable<View>, bytes: number, file: string): void {
  let total = 0;
  for (const view of tensors) total += Math.max(count(view.shape), span(view)) * DTYPE_BYTES[view.dtype];
  if (total > MAX_SHARING * bytes + SHARING_SLACK)
    throw new UserError(
      `${file}: its tensors add up to ${total} bytes, more than ${MAX_SHARING} times the ${bytes} in the file; re-save them as separate tensors (torch.save of clones)`,
    );
}

/** Text from a stranger's file, made fit for a message. */
export const shown = (text: string, most = 80): string => text.slice(0, most).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
