import { UserError } from "../../errors";
import { DTYPE_BYTES, type DType } from "./dtype";
import { count } from "./strided";

/** One tensor to write. `bytes`, little-endian, are asked for when their turn comes, so no more than one is in memory. */
export interface WriteEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: ArrayBufferView | (() => ArrayBufferView | Promise<ArrayBufferView>);
}

/** The order tensors lie in: wide elements first, so each starts on a multiple of its element size. */
function fileOrder<T extends { readonly dtype: DType }>(entries: readonly T[]): T[] {
  return entries.toSorted((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
}

/** The header of a safetensors file, padded to 8 bytes. Metadata keys are sorted: equal models give equal files. */
function header(entries: readonly WriteEntry[], metadata: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const pairs: (readonly [string, unknown])[] = [];
  const meta = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (meta.length > 0) pairs.push(["__metadata__", Object.fromEntries(meta)]);
  let at = 0;
  const names = new Set<string>(["__metadata__"]);
  for (const { name, dtype, shape } of entries) {
    if (names.has(name)) throw new UserError(`cannot write two tensors named ${name}`);
    names.add(name);
    const bytes = count(shape) * DTYPE_BYTES[dtype];
    pairs.push([name, { dtype, shape, data_offsets: [at, at + bytes] }]);
    at += bytes;
  }
  // Not Object.fromEntries: it would reorder names that look like integers.
  const json = `{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  const out = new Uint8Array(8 + length).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true);
  out.set(text, 8);
  return out;
}

/** A safetensors file, piece by piece: header, then one tensor after another.
 *  @throws UserError for a name used twice; Error when there are not the bytes its shape needs. */
export async function* writeSafetensors(
  entries: Iterable<WriteEntry>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const ordered = fileOrder([...entries]);
  yield header(ordered, metadata);
  for (const { name, dtype, shape, bytes } of ordered) {
    const view = typeof bytes === "function" ? await bytes() : bytes;
    const need = count(shape) * DTYPE_BYTES[dtype];
    if (view.byteLength !== need)
      throw new Error(`${name}: ${view.byteLength} bytes for ${dtype} [${shape.join(", ")}], which needs ${need}`);
    yield new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);
  }
}
