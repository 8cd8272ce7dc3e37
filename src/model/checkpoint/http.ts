import { UserError } from "../../errors";
import { isAbort, message } from "./source";

export interface HttpOptions {
  /** Used instead of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Attempts after one that brought no new byte; 4 unless said otherwise. */
  readonly retries?: number;
  /** Pause before the first of them in ms, doubled each time; 500 unless said otherwise. */
  readonly backoff?: number;
  /** A connection that brings nothing for this many ms is given up and resumed; 30,000 unless said otherwise. */
  readonly stall?: number;
}

/** A part of a remote file that many requests must agree on. */
export interface Remote {
  readonly href: string;
  readonly name: string;
  readonly size: number;
  readonly etag: string | undefined;
}

/** Statuses a later attempt may not meet again. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Waits, unless the signal says otherwise. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** One GET, retried while the server or the network stumbles. Any final status comes back as it is. */
export async function request(
  href: string,
  name: string,
  headers: Readonly<Record<string, string>>,
  options: HttpOptions,
): Promise<Response> {
  const { fetch = globalThis.fetch, signal, retries = 4, backoff = 500 } = options;
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    let trouble: string;
    try {
      const response = await fetch(href, {
        headers: { ...options.headers, ...headers },
        ...(signal ? { signal } : {}),
      });
      if (!passing.has(response.status) || attempt >= retries) return response;
      await response.body?.cancel();
      trouble = `status ${response.status}`;
    } catch (error) {
      if (signal?.aborted || isAbort(error)) throw error;
      trouble = cause(error);
      if (attempt >= retries)
        throw new UserError(
          `${name}: cannot be fetched from ${origin(href)} (${trouble}); check the URL and the network`,
        );
    }
    await pause(backoff * 2 ** attempt, signal);
  }
}

/** Node hides the reason of a failed fetch one level down. */
const cause = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error ? message(error.cause) : message(error);

const origin = (href: string): string => new URL(href).host || href;

/** What a status means for the user. */
export async function httpError(response: Response, href: string): Promise<UserError> {
  const { status } = response;
  const text = await response.text().catch(() => "");
  const denied = /AccessDenied/.test(text) ? " AccessDenied" : "";
  const todo =
    status === 401 || status === 403
      ? "the file is private, gated or no longer served: take a mirror, or give an access token"
      : status === 404 || status === 410
        ? "check the URL (on Hugging Face: owner, name, revision and file)"
        : "try again later";
  return new UserError(`${href}: the server answers ${status}${denied}; ${todo}`);
}

/** Fills `out` with a remote file's bytes from `offset`, resumed where a connection breaks.
 *  @param first a response to the same range that is already on its way
 *  @throws UserError when it stays broken, the server stops serving ranges, or the file changes meanwhile. */
export async function fetchInto(
  out: Uint8Array<ArrayBuffer>,
  remote: Remote,
  offset: number,
  options: HttpOptions,
  first?: Response,
): Promise<void> {
  const { signal, retries = 4, backoff = 500, stall = 30_000 } = options;
  const { length } = out;
  let at = 0;
  let response = first;
  for (let failures = 0; at < length; response = undefined) {
    const before = at;
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
      for await (const chunk of chunks(response, stall, signal)) {
        const part = chunk.subarray(0, length - at);
        out.set(part, at);
        at += part.length;
        if (at === length) break;
      }
    } catch (error) {
      if (error instanceof UserError || signal?.aborted) throw error;
      // anything else is the network's: resume
    }
    if (at > before) failures = 0;
    else if (++failures > retries)
      throw new UserError(
        `${remote.name}: the connection broke ${failures} times at byte ${offset + at} of ${remote.size}; check the network and try again`,
      );
    if (at < length) await pause(backoff * 2 ** Math.max(0, failures - 1), signal);
  }
}

/** @throws UserError unless the response is the range that was asked for, of the same file. */
async function checkPart(response: Response, remote: Remote, from: number): Promise<void> {
  if (response.status !== 206) {
    if (response.ok) {
      await response.body?.cancel();
      throw new UserError(`${remote.name}: changed on the server, or it stopped serving ranges; start again`);
    }
    throw await httpError(response, remote.href);
  }
  const range = /bytes (\d+)-\d+\/(\d+|\*)/.exec(response.headers.get("content-range") ?? "");
  if (!range || Number(range[1]) !== from || (range[2] !== "*" && Number(range[2]) !== remote.size))
    throw new UserError(`${remote.name}: the server sent another part than was asked for; download the file instead`);
}

/** The body as it comes. @throws Error when nothing comes for `stall` ms. */
export async function* chunks(
  response: Response,
  stall: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await patiently(reader.read(), stall, signal);
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Resolves as `work` does, unless `ms` pass or the signal aborts first. */
export async function patiently<T>(work: Promise<T>, ms: number, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  const cut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the connection stalled")), ms);
    stop = () => reject(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, cut]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    work.catch(() => {});
  }
}
