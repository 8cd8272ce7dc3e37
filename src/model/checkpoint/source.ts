import { UserError } from "../../errors";

/** Random access to the bytes of one file, local or remote. Nothing here holds the whole file. */
export interface ByteSource {
  /** File name, for messages. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 in hex, if the server states one. */
  readonly sha256?: string | undefined;
  /** Reads exactly `length` bytes from `offset`, into a new array or into `into`.
   *  @param into memory of the caller that is used if it is large enough, which saves garbage of the size of tensors
   *  @throws UserError when the file ends before, or cannot be read */
  read(offset: number, length: number, signal?: AbortSignal, into?: Scratch): Promise<Uint8Array<ArrayBuffer>>;
  /** Opens a file in the same folder (a shard, a `config.json`); undefined when there is none. `relative` is a plain
   *  name, or one of a pipeline's files above it (`checkSibling`).
   *  @throws UserError when it is there but cannot be read */
  sibling?(relative: string, signal?: AbortSignal): Promise<ByteSource | undefined>;
  /** Told how much of the weights is there, where they lie in many small files. */
  report?(loaded: number, total: number): void;
  close?(): void;
}

/** Memory that is reused: each read overwrites the one before. */
export type Scratch = Uint8Array<ArrayBuffer>;

/** The first `length` bytes of `into`, or a new array if it is shorter. */
export const room = (length: number, into?: Scratch): Uint8Array<ArrayBuffer> =>
  into && into.length >= length ? into.subarray(0, length) : new Uint8Array(length);

/** Files as a folder: by path, or as a page's input or drop gives them. */
export type Files = ReadonlyMap<string, Blob> | readonly File[];

/** Everything that is accepted as a file, and several files as a folder; Node adds file paths. */
export type SourceLike = string | URL | Blob | ArrayBuffer | Uint8Array | ByteSource | Files;

/** @throws UserError unless [offset, offset + length) is inside the source */
export function checkRange(source: Pick<ByteSource, "name" | "size">, offset: number, length: number): void {
  const sound = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!sound || offset + length > source.size)
    throw new UserError(
      `${source.name}: expected bytes ${offset} to ${offset + length}, got a file of ${source.size}; it is truncated or damaged, download it again`,
    );
}

/** Files that a pipeline keeps above the folder of its U-Net. */
const above = ["../model_index.json", "../scheduler/scheduler_config.json"];

/** @throws UserError unless `relative` is a plain file name, in the same folder or one below, or one of a pipeline's own
 *  files above it: nothing else leaves the folder */
export function checkSibling(relative: string): void {
  if (above.includes(relative)) return;
  if (!/^(?:[\w][\w.@+-]*\/)?[\w][\w.@+-]*$/.test(relative) || relative.includes(".."))
    throw new UserError(`"${relative}" is not a plain file name beside the checkpoint; refused`);
}

/** Source of bytes in memory. */
export function memorySource(bytes: Uint8Array | ArrayBuffer, name = "bytes"): ByteSource {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const source: ByteSource = {
    name,
    size: view.byteLength,
    async read(offset, length, signal) {
      signal?.throwIfAborted();
      checkRange(source, offset, length);
      return new Uint8Array(view.subarray(offset, offset + length));
    },
  };
  return source;
}

/** Source of a Blob or a dropped File. Only the slices that are read are in memory. */
export function blobSource(blob: Blob, name?: string): ByteSource {
  const source: ByteSource = {
    name: name ?? (blob instanceof File ? blob.name : "blob"),
    size: blob.size,
    async read(offset, length, signal) {
      signal?.throwIfAborted();
      checkRange(source, offset, length);
      let buffer: ArrayBuffer;
      try {
        buffer = await blob.slice(offset, offset + length).arrayBuffer();
      } catch (error) {
        throw new UserError(`${source.name}: could not be read (${message(error)}); choose the file again`);
      }
      signal?.throwIfAborted();
      if (buffer.byteLength !== length)
        throw new UserError(`${source.name}: gave ${buffer.byteLength} of ${length} bytes; choose the file again`);
      return new Uint8Array(buffer);
    },
  };
  return source;
}

/** First line of the text of anything thrown. */
export function message(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? "";
}

export const isAbort = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";

/** Is this already a `ByteSource`? */
export const isSource = (value: object | string): value is ByteSource =>
  typeof value === "object" && "read" in value && typeof value.read === "function" && "size" in value;
