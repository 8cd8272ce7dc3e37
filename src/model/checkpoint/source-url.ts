import { UserError } from "../../errors";
import { shortUrl } from "../../urls";
import { shown } from "./container";
import { ABSENT, fetchInto, type HttpOptions, httpError, request, StatusError } from "./http";
import { SequentialSource } from "./sequential";
import { type ByteSource, checkRange, checkSibling, room, type Scratch } from "./source";

export interface UrlOptions extends HttpOptions {
  /** Bytes of one request while many small tensors are read in turn; default 4 MiB. */
  readonly readAhead?: number;
}

/** Reads near the end of a file (a zip's directory) share one request of this many bytes. */
const TAIL_BYTES = 128 * 1024;

/** Opens a file behind a URL. Reads ranges: only what is asked for, a window at a time, each request retried and resumed
 *  where it broke. A file whose server ignores ranges is read as one stream from front to back instead.
 *  @throws UserError naming the status, the URL (without credentials and query) and what to try */
export async function urlSource(url: string | URL, given: UrlOptions = {}): Promise<ByteSource> {
  const { href, options } = withoutCredentials(new URL(url), given);
  const name = fileName(href);
  const window = options.readAhead ?? 4 * 2 ** 20;
  const response = await request(href, name, { Range: `bytes=0-${window - 1}` }, options);
  const sibling: Sibling = async (relative, signal) => {
    checkSibling(relative);
    if (!/^https?:/.test(href)) return undefined;
    const next = new URL(href);
    const folder = next.pathname.replace(/[^/]*$/, "");
    if (relative.startsWith("../") && folder === "/") return undefined;
    next.pathname = folder + relative;
    return urlSource(next, signal ? { ...options, signal } : options).catch((error) => {
      if (error instanceof StatusError && ABSENT.has(error.status)) return undefined;
      throw error;
    });
  };
  if (response.status === 416) {
    response.body?.cancel().catch(() => {});
    return { name, size: 0, sibling, read: async () => new Uint8Array(0) };
  }
  if (response.status === 206) {
    const total = Number(/\/(\d+)\s*$/.exec(response.headers.get("content-range") ?? "")?.[1] ?? Number.NaN);
    if (!Number.isSafeInteger(total))
      throw new UserError(`${shortUrl(href)}: the server does not state the size of the file; download it`);
    const ranged = new RangedSource(href, name, total, window, options, sibling, validator(response), stated(response));
    await ranged.begin(response);
    return ranged;
  }
  if (!response.ok) throw await httpError(response, href);
  return SequentialSource.open(href, name, response, options, sibling);
}

/** Moves the credentials of `https://user:password@host/` to a header: `fetch` refuses them in a URL. */
function withoutCredentials(url: URL, options: UrlOptions): { href: string; options: UrlOptions } {
  if (!url.username && !url.password) return { href: url.href, options };
  const [user, password] = [url.username, url.password].map(decodeURIComponent);
  const basic = btoa(String.fromCharCode(...new TextEncoder().encode(`${user}:${password}`)));
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return { href: bare.href, options: { ...options, headers: { Authorization: `Basic ${basic}`, ...options.headers } } };
}

type Sibling = NonNullable<ByteSource["sibling"]>;

/** The last part of a URL's path, without its query, fit for a message. */
function fileName(href: string): string {
  const last = /^https?:/.test(href) ? (new URL(href).pathname.split("/").pop() ?? "") : "";
  try {
    return shown(decodeURIComponent(last)) || shortUrl(href);
  } catch {
    return shown(last);
  }
}

/** A strong ETag, which says that the file has not changed between requests. */
const validator = (response: Response): string | undefined => {
  const etag = response.headers.get("etag") ?? undefined;
  return etag?.startsWith("W/") ? undefined : etag;
};

/** SHA-256, which the Hugging Face hub states for large files. */
const stated = (response: Response): string | undefined =>
  /^"?([0-9a-f]{64})"?$/.exec(response.headers.get("x-linked-etag") ?? response.headers.get("etag") ?? "")?.[1];

class RangedSource implements ByteSource {
  /** One buffer for all windows, which saves garbage of their size. */
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
    // One request at a time: parallel readers share the window
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
