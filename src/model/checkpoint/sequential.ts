import { UserError } from "../../errors";
import { chunks, type HttpOptions, httpError, patiently, request } from "./http";
import { type ByteSource, checkRange } from "./source";

/** Kept of the file's start, so that looking at it again does not start the download over. */
const HEAD_BYTES = 2 ** 20;

/** A server that tells no size has its body buffered, up to this many bytes. */
const MAX_BUFFERED = 64 * 2 ** 20;

/** Downloads started over before giving up: a zip needs one for its directory at the end and one for its content. */
const MAX_PASSES = 6;

/** A file whose server ignores ranges, read as one stream. Reads that move forward cost one download in all, which is
 *  why tensors are listed in file order; a read that goes back starts the download over. Nothing but its first MiB is
 *  kept. */
export class SequentialSource implements ByteSource {
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  #at = 0;
  #rest: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #head: Uint8Array<ArrayBuffer>;
  #headLength = 0;
  #passes = 1;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly href: string,
    readonly name: string,
    readonly size: number,
    readonly options: HttpOptions,
    readonly sibling: NonNullable<ByteSource["sibling"]>,
    response: Response,
  ) {
    this.#reader = response.body?.getReader();
    this.#head = new Uint8Array(Math.min(HEAD_BYTES, size));
  }

  /** @param response the answer to the first request, its body not yet read
   *  @throws UserError for a file of unknown size beyond 64 MiB */
  static async open(
    href: string,
    name: string,
    response: Response,
    options: HttpOptions,
    sibling: NonNullable<ByteSource["sibling"]>,
  ): Promise<ByteSource> {
    const length = response.headers.get("content-length");
    const encoded = response.headers.get("content-encoding"); // then the length is that of the compressed body
    if (length !== null && (!encoded || encoded === "identity"))
      return new SequentialSource(href, name, Number(length), options, sibling, response);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const part of chunks(response, options.stall ?? 30_000, options.signal)) {
      size += part.length;
      if (size > MAX_BUFFERED)
        throw new UserError(`${href}: the server tells no size and serves no ranges; download the file and open that`);
      parts.push(part);
    }
    const blob = new Blob(parts);
    const source: ByteSource = {
      name,
      size,
      sibling,
      async read(offset, length) {
        checkRange(source, offset, length);
        return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      },
    };
    return source;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length);
    const next = this.#turn.then(() => this.#read(offset, length, signal));
    this.#turn = next.catch(() => {});
    return next;
  }

  async #read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    signal?.throwIfAborted();
    if (offset + length <= this.#headLength) return this.#head.slice(offset, offset + length);
    const out = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (offset + filled < this.#at || !this.#reader) await this.#restart(signal);
      filled += await this.#step(offset + filled, out.subarray(filled), signal);
    }
    return out;
  }

  /** Takes the next chunk of the stream and copies what it holds of [offset, offset + out.length). */
  async #step(offset: number, out: Uint8Array, signal?: AbortSignal): Promise<number> {
    if (this.#rest.length === 0) {
      try {
        const { done, value } = await patiently(this.#reader!.read(), this.options.stall ?? 30_000, signal);
        if (done) throw new Error(`ended at byte ${this.#at} of ${this.size}`);
        this.#rest = value;
        this.#keepHead(value);
      } catch (error) {
        if (signal?.aborted) throw error;
        this.#drop();
        return 0;
      }
    }
    const skip = Math.min(this.#rest.length, offset - this.#at);
    const part = this.#rest.subarray(skip, skip + out.length);
    out.set(part);
    this.#at += skip + part.length;
    this.#rest = this.#rest.subarray(skip + part.length);
    return part.length;
  }

  #keepHead(chunk: Uint8Array): void {
    if (this.#headLength !== this.#at || this.#headLength === this.#head.length) return;
    const part = chunk.subarray(0, this.#head.length - this.#headLength);
    this.#head.set(part, this.#headLength);
    this.#headLength += part.length;
  }

  #drop(): void {
    this.#reader?.cancel().catch(() => {});
    this.#reader = undefined;
  }

  async #restart(signal?: AbortSignal): Promise<void> {
    this.#drop();
    if (++this.#passes > MAX_PASSES)
      throw new UserError(
        `${this.name}: the server serves no ranges and the download of ${this.size} bytes was cut ${MAX_PASSES} times; download the file and open that`,
      );
    const options = signal ? { ...this.options, signal } : this.options;
    const response = await request(this.href, this.name, {}, options);
    if (!response.ok) throw await httpError(response, this.href);
    const length = response.headers.get("content-length");
    if (length !== null && Number(length) !== this.size)
      throw new UserError(`${this.name}: changed on the server (${length} bytes, ${this.size} before); start again`);
    this.#reader = response.body?.getReader();
    this.#at = 0;
    this.#rest = new Uint8Array(0);
  }

  close(): void {
    this.#drop();
  }
}
