import { UserError } from "../../errors";
import { fetchInto, type HttpOptions, httpError, request } from "./http";
import { SequentialSource } from "./sequential";
import { type ByteSource, checkRange, checkSibling, room, type Scratch } from "./source";

export interface UrlOptions extends HttpOptions {
  /** Bytes asked for at a time while many small tensors are read in turn; 4 MiB unless said otherwise. */
  readonly readAhead?: number;
}

/** Reads around the end of a file (a zip's directory) are served from one request of this many bytes. */
const TAIL_BYTES = 128 * 1024;

/** A file behind a URL, read in ranges: only what is asked for, a window at a time, each request retried and resumed
 *  where it broke. A server that ignores ranges is read as one stream from front to back instead.
 *  @throws UserError naming the status, the URL and what to try. */
export async function urlSource(url: string | URL, options: UrlOptions = {}): Promise<ByteSource> {
  const href = new URL(url).href;
  const name = fileName(href);
  const window = options.readAhead ?? 4 * 2 ** 20;
  const response = await request(href, name, { Range: `bytes=0-${window - 1}` }, options);
  const sibling = async (relative: string, signal?: AbortSignal) => {
    checkSibling(relative);
    const next = new URL(href);
    next.pathname = next.pathname.replace(/[^/]*$/, relative);
    return urlSource(next, signal ? { ...options, signal } : options).catch((error) => {
      if (signal?.aborted) throw error;
      return undefined;
    });
  };
  if (response.status === 416) {
    await response.body?.cancel();
    return { name, size: 0, sibling, read: async () => new Uint8Array(0) };
  }
  if (response.status === 206) {
    const total = Number(/\/(\d+)\s*$/.exec(response.headers.get("content-range") ?? "")?.[1] ?? Number.NaN);
    if (!Number.isSafeInteger(total))
      throw new UserError(`${href}: the server does not tell the file's size; download it`);
    const ranged = new RangedSource(href, name, total, window, options, sibling, validator(response), stated(response));
    await ranged.begin(response);
    return ranged;
  }
  if (!response.ok) throw await httpError(response, href);
  return SequentialSource.open(href, name, response, options, sibling);
}

type Sibling = NonNullable<ByteSource["sibling"]>;

/** The last part of a URL's path, without its query. */
export function fileName(href: string): string {
  const last = new URL(href).pathname.split("/").pop() ?? "";
  try {
    return decodeURIComponent(last) || href;
  } catch {
    return last || href;
  }
}

/** A strong ETag: the file may not change between requests. */
const validator = (response: Response): string | undefined => {
  const etag = response.headers.get("etag") ?? undefined;
  return etag?.startsWith("W/") ? undefined : etag;
};

/** sha256 as the Hugging Face hub states it for large files. */
const stated = (response: Response): string | undefined =>
  /^"?([0-9a-f]{64})"?$/.exec(response.headers.get("x-linked-etag") ?? response.headers.get("etag") ?? "")?.[1];

class RangedSource implements ByteSource {
  /** One buffer for all windows: garbage of their size would count against the loader's memory. */
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #start = 0;
  #length = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly href: string,
    readonly name: string,
    readonly size: number,
    readonly ahead: number,
    readonly options: UrlOptions,
    readonly sibling: Sibling,
    readonly etag: string | undefined,
    readonly sha256: string | undefined,
  ) {}

  /** Fills the window from the first response. */
  async begin(response: Response): Promise<void> {
    await this.#fill(0, Math.min(this.ahead, this.size), this.options, response);
  }

  async #fill(offset: number, length: number, options: UrlOptions, first?: Response): Promise<void> {
    this.#length = 0;
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    await fetchInto(this.#buffer.subarray(0, length), this, offset, options, first);
    this.#start = offset;
    this.#length = length;
  }

  async read(offset: number, length: number, signal?: AbortSignal, into?: Scratch): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length);
    // One request at a time: parallel readers share the window.
    const next = this.#turn.then(() => this.#read(offset, length, signal, into));
    this.#turn = next.catch(() => {});
    return next;
  }

  async #read(offset: number, length: number, signal?: AbortSignal, into?: Scratch): Promise<Uint8Array<ArrayBuffer>> {
    signal?.throwIfAborted();
    const options = signal ? { ...this.options, signal } : this.options;
    const inside = offset >= this.#start && offset + length <= this.#start + this.#length;
    if (!inside && length >= this.ahead) {
      const out = room(length, into);
      await fetchInto(out, this, offset, options);
      return out;
    }
    if (!inside) {
      const start = offset >= this.size - TAIL_BYTES ? Math.max(0, this.size - TAIL_BYTES) : offset;
      const wanted = Math.max(this.ahead, offset + length - start);
      await this.#fill(start, Math.min(wanted, this.size - start), options);
    }
    const out = room(length, into);
    out.set(this.#buffer.subarray(offset - this.#start, offset - this.#start + length));
    return out;
  }

  close(): void {
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
  }
}
