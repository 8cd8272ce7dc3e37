import { UserError } from "../../errors";
import { shortUrl } from "../../urls";
import { type HttpOptions, httpError, request } from "./http";
import { type ByteSource, checkRange, memorySource, message } from "./source";
import { PacedReader, readUpTo, STALL_TIMEOUT, Stalled } from "./stall";

/** Bytes kept of the start of the file: reading the header again does not restart the download. */
const HEAD_BYTES = 2 ** 20;

/** Largest body that is buffered where the server states no size. */
const MAX_BUFFERED = 64 * 2 ** 20;

/** Downloads of one file before giving up: a zip needs one for its directory at the end and one for its content. */
const MAX_PASSES = 6;

/** A file whose server ignores ranges, read as one stream. Reads that move forward take one download in all, which is why
 *  tensors are listed in file order; a read that moves backward restarts it. Only the first MiB is kept. */
export class SequentialSource implements ByteSource {
  #reader: PacedReader | undefined;
  #at = 0;
  #rest: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #head: Uint8Array<ArrayBuffer>;
  #headLength = 0;
  #passes = 1;
  #stalls = 0;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly href: string,
    readonly name: string,
    readonly size: number,
    readonly options: HttpOptions,
    readonly sibling: ByteSource["sibling"],
    response: Response,
  ) {
    this.#begin(response);
    this.#head = new Uint8Array(Math.min(HEAD_BYTES, size));
  }

  /** @param response answer to the first request, its body unread
   *  @throws UserError for a file of unknown size beyond 64 MiB */
  static async open(
    href: string,
    name: string,
    response: Response,
    options: HttpOptions,
    sibling: ByteSource["sibling"],
  ): Promise<ByteSource> {
    const length = response.headers.get("content-length");
    const encoded = response.headers.get("content-encoding"); // then the length is that of the compressed body
    if (length !== null && /^\d{1,15}$/.test(length) && (!encoded || encoded === "identity"))
      return new SequentialSource(href, name, Number(length), options, sibling, response);
    const { stallTimeout = STALL_TIMEOUT, signal } = options;
    const { bytes, more } = await readUpTo(response, MAX_BUFFERED, stallTimeout, signal).catch((error) => {
      if (signal?.aborted) throw error;
      throw new UserError(`${name}: the download broke off (${message(error)}); check the network and try again`);
    });
    if (more)
      throw new UserError(
        `${shortUrl(href)}: the server states no size and serves no ranges; download the file and open that`,
      );
    return { ...memorySource(bytes, name), ...(sibling ? { sibling } : {}) };
  }

  #begin(response: Response): void {
    const reader = response.body?.getReader();
    this.#reader = reader && new PacedReader(reader, this.options.stallTimeout ?? STALL_TIMEOUT);
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

  /** Copies the part of [offset, offset + out.length) that is in the current chunk, or in the next one.
   *  @returns the bytes copied; 0 when the connection broke */
  async #step(offset: number, out: Uint8Array, signal?: AbortSignal): Promise<number> {
    if (this.#rest.length === 0) {
      try {
        const { done, value } = await this.#reader!.read(signal);
        if (done) throw new Error(`ended at byte ${this.#at} of ${this.size}`);
        this.#rest = value;
        this.#keepHead(value);
      } catch (error) {
        if (signal?.aborted) throw error;
        this.#drop();
        if (error instanceof Stalled && ++this.#stalls > 1)
          throw new UserError(`${this.name}: the download stalled twice (${error.message}); check the network`);
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
    this.#reader?.reader.cancel().catch(() => {});
    this.#reader = undefined;
  }

  async #restart(signal?: AbortSignal): Promise<void> {
    this.#drop();
    if (++this.#passes > MAX_PASSES)
      throw new UserError(
        `${this.name}: the server serves no ranges, and the download of ${this.size} bytes was restarted ${MAX_PASSES} times; download the file and open that`,
      );
    const options = signal ? { ...this.options, signal } : this.options;
    const response = await request(this.href, this.name, {}, options);
    if (!response.ok) throw await httpError(response, this.href);
    const length = response.headers.get("content-length");
    if (length !== null && Number(length) !== this.size)
      throw new UserError(`${this.name}: changed on the server (${length} bytes, ${this.size} before); start again`);
    this.#begin(response);
    this.#at = 0;
    this.#rest = new Uint8Array(0);
  }

  close(): void {
    this.#drop();
  }
}
