import { UserError } from "../../errors";
import { pause } from "../../gpu/patience";
import { shortUrl } from "../../urls";
import { isAbort, message } from "./source";
import { chunks, patiently, readUpTo, STALL_TIMEOUT, Stalled } from "./stall";

export interface HttpOptions {
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** Sent to the origin of the URL only: a redirect to another origin is followed without them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Attempts after one that failed; default 4. */
  readonly retries?: number;
  /** Pause before the first of them in ms, doubled each time; default 500. */
  readonly backoff?: number;
  /** Milliseconds after which a connection that does not answer, or brings less than 1 KB/s, is given up; default 30,000.
   *  It is tried once more. */
  readonly stallTimeout?: number;
}

/** A remote file, as all requests for its parts must describe it. */
export interface Remote {
  readonly href: string;
  readonly name: string;
  readonly size: number;
  readonly etag: string | undefined;
}

/** A server's answer other than the file. */
export class StatusError extends UserError {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** Statuses by which servers say that there is no such file; object stores that list nothing say 403. */
export const ABSENT: ReadonlySet<number> = new Set([403, 404, 410]);

/** Statuses that a later attempt may not meet again. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

const redirects = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 10;

/** Stalled connections before giving up: they take `stallTimeout` each. */
const MAX_STALLS = 2;

/** A part of a file counts as progress from this size on, or if it is a quarter of what was missing. */
const MIN_PROGRESS = 2 ** 16;

/** Bytes read of the body of an error. */
const MAX_ERROR_BYTES = 4096;
const MAX_ERROR_MS = 5000;

/** Counts failed attempts at a download, and says when to give up. */
export class Attempts {
  failures = 0;
  #stalls = 0;

  constructor(readonly retries: number) {}

  /** Notes the end of an attempt that did not finish.
   *  @param got bytes it brought, `missing` of which were missing before
   *  @returns whether another attempt is worth it */
  again(got: number, missing: number, error: unknown): boolean {
    if (got > 0 && got >= Math.min(MIN_PROGRESS, missing / 4)) {
      this.failures = 0;
      this.#stalls = 0;
    } else {
      this.failures++;
      if (error instanceof Stalled) this.#stalls++;
    }
    return this.failures <= this.retries && this.#stalls < MAX_STALLS;
  }

  /** Waits before the next attempt: `backoff` ms, doubled with each failure in a row. */
  pause(backoff: number, signal?: AbortSignal): Promise<void> {
    return pause(backoff * 2 ** Math.max(0, this.failures - 1), signal);
  }
}

/** Sends one GET, again while the server or the network fails. Any final status is returned as it is.
 *  @throws UserError when there is no answer */
export async function request(
  href: string,
  name: string,
  headers: Readonly<Record<string, string>>,
  options: HttpOptions,
): Promise<Response> {
  const { signal, retries = 4, backoff = 500, stallTimeout = STALL_TIMEOUT } = options;
  const attempts = new Attempts(retries);
  for (;;) {
    signal?.throwIfAborted();
    let error: unknown;
    try {
      const response = await answer(href, name, headers, options);
      if (!passing.has(response.status) || !attempts.again(0, 1, undefined)) return response;
      response.body?.cancel().catch(() => {});
    } catch (thrown) {
      if (signal?.aborted || thrown instanceof UserError || isAbort(thrown)) throw thrown;
      error = thrown;
      if (!attempts.again(0, 1, error)) {
        const why =
          error instanceof Stalled
            ? `no answer in ${stallTimeout / 1000} s`
            : cause(error).replaceAll(href, shortUrl(href));
        throw new UserError(`${name}: cannot be fetched from ${hostOf(href)} (${why}); check the URL and the network`);
      }
    }
    await attempts.pause(backoff, signal);
  }
}

/** Node puts the reason of a failed fetch one level down. */
const cause = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error ? message(error.cause) : message(error);

const hostOf = (href: string): string => new URL(href).host || shortUrl(href);

/** One answer, redirects followed. @throws Stalled when none comes within `stallTimeout` */
async function answer(
  href: string,
  name: string,
  headers: Readonly<Record<string, string>>,
  { fetch = globalThis.fetch, headers: own = {}, signal, stallTimeout = STALL_TIMEOUT }: HttpOptions,
): Promise<Response> {
  const control = new AbortController();
  const either = signal ? AbortSignal.any([signal, control.signal]) : control.signal;
  try {
    return await patiently(follow(fetch, new URL(href), name, own, headers, either), stallTimeout, signal);
  } catch (error) {
    if (error instanceof Stalled) control.abort();
    throw error;
  }
}

/** Follows redirects, with the caller's own headers as long as the origin stays the same. `fetch` itself removes no header
 *  but Authorization on the way to another origin, so it may follow only where there is no other. */
async function follow(
  fetch: typeof globalThis.fetch,
  href: URL,
  name: string,
  own: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  const secrets = Object.keys(own).filter((key) => key.toLowerCase() !== "authorization");
  if (secrets.length === 0) return fetch(href.href, { headers: { ...own, ...headers }, signal });
  let url = href;
  let given = own;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await fetch(url.href, { headers: { ...given, ...headers }, signal, redirect: "manual" });
    if (response.type === "opaqueredirect")
      throw new UserError(
        `${name}: ${url.host} redirects, and a browser would send the headers ${secrets.join(", ")} along; give the final URL`,
      );
    if (!redirects.has(response.status)) return response;
    response.body?.cancel().catch(() => {});
    const location = response.headers.get("location") ?? "";
    const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
    if (!next || !/^https?:$/.test(next.protocol))
      throw new UserError(`${name}: ${url.host} redirects to something that is not a web address; check the URL`);
    if (next.origin !== url.origin) given = {};
    url = next;
  }
  throw new UserError(`${name}: ${href.host} redirects more than ${MAX_REDIRECTS} times; check the URL`);
}

/** Explains a status. Reads no more than the start of its body. */
export async function httpError(response: Response, href: string): Promise<UserError> {
  const { status } = response;
  const body = await patiently(readUpTo(response, MAX_ERROR_BYTES, MAX_ERROR_MS), MAX_ERROR_MS).catch(() => undefined);
  const denied = body && /AccessDenied/.test(new TextDecoder().decode(body.bytes)) ? " AccessDenied" : "";
  const todo =
    status === 401 || status === 403
      ? "the file is private, gated or no longer served: take a mirror, or give an access token"
      : status === 404 || status === 410
        ? "check the URL (on Hugging Face: owner, name, revision and file)"
        : "try again later";
  return new StatusError(`${shortUrl(href)}: the server answers ${status}${denied}; ${todo}`, status);
}

/** Fills `out` with a remote file's bytes from `offset`, and resumes where a connection breaks.
 *  @param first a response to the same range that has already arrived
 *  @throws UserError when it keeps breaking, the server stops serving ranges, or the file changes meanwhile */
export async function fetchInto(
  out: Uint8Array<ArrayBuffer>,
  remote: Remote,
  offset: number,
  options: HttpOptions,
  first?: Response,
): Promise<void> {
  const { signal, retries = 4, backoff = 500, stallTimeout = STALL_TIMEOUT } = options;
  const attempts = new Attempts(retries);
  const { length } = out;
  let at = 0;
  for (let response = first; at < length; response = undefined) {
    const before = at;
    let broken: unknown;
    try {
      response ??= await request(
        remote.href,
        remote.name,
        {
          Range: `bytes=${offset + at}-${offset + length - 1}`,
          ...(remote.etag ? { "If-Range": remote.etag } : {}),
        },
        options,
      );
      await checkPart(response, remote, offset + at);
      for await (const chunk of chunks(response, stallTimeout, signal)) {
        const part = chunk.subarray(0, length - at);
        out.set(part, at);
        at += part.length;
        if (at === length) return;
      }
    } catch (error) {
      if (error instanceof UserError || signal?.aborted) throw error;
      broken = error; // of the network: resume
    }
    if (!attempts.again(at - before, length - before, broken))
      throw new UserError(
        `${remote.name}: the connection broke ${attempts.failures} times at byte ${offset + at} of ${remote.size}${broken instanceof Stalled ? ` (${broken.message})` : ""}; check the network and try again`,
      );
    await attempts.pause(backoff, signal);
  }
}

/** @throws UserError unless the response is the range that was asked for, of the same file */
async function checkPart(response: Response, remote: Remote, from: number): Promise<void> {
  if (response.status !== 206) {
    if (!response.ok) throw await httpError(response, remote.href);
    response.body?.cancel().catch(() => {});
    throw new UserError(`${remote.name}: changed on the server, or it stopped serving ranges; start again`);
  }
  const range = /bytes (\d+)-\d+\/(\d+|\*)/.exec(response.headers.get("content-range") ?? "");
  if (!range || Number(range[1]) !== from || (range[2] !== "*" && Number(range[2]) !== remote.size))
    throw new UserError(`${remote.name}: the server sent another part than was asked for; download the file instead`);
}
