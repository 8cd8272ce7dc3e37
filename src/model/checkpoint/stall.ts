/** Default of `stallTimeout`, in ms. */
export const STALL_TIMEOUT = 30_000;

/** Bytes a connection has to bring for each ms of waiting, averaged over `stallTimeout`: 1,000 a second. */
const MIN_RATE = 1;

/** A connection that brought nothing, or too little, for `stallTimeout`. */
export class Stalled extends Error {
  constructor(ms: number) {
    super(`it brought less than 1 KB/s for ${ms / 1000} s`);
  }
}

/** Resolves as `work` does. @throws Stalled after `ms`, or the signal's reason when it aborts first */
export async function patiently<T>(work: Promise<T>, ms: number, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  const cut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Stalled(ms)), ms);
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

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

/** Reads one body at no less than the minimum rate. Only time spent waiting for bytes counts: the caller may take its time
 *  between reads. */
export class PacedReader {
  #waited = 0;
  #bytes = 0;

  constructor(
    readonly reader: Reader,
    readonly stallTimeout: number,
  ) {}

  /** @throws Stalled when the last `stallTimeout` ms of waiting brought too few bytes */
  async read(signal?: AbortSignal): ReturnType<Reader["read"]> {
    const pending = this.reader.read();
    for (;;) {
      const began = performance.now();
      const left = Math.max(1, this.stallTimeout - this.#waited);
      const result = await patiently(pending, left, signal).catch((error) => {
        if (!(error instanceof Stalled)) throw error;
      });
      if (result?.done) return result;
      this.#waited += performance.now() - began;
      this.#bytes += result?.value.length ?? 0;
      if (this.#waited >= this.stallTimeout) {
        if (this.#bytes < MIN_RATE * this.stallTimeout) throw new Stalled(this.stallTimeout);
        this.#waited = 0;
        this.#bytes = 0;
      }
      if (result) return result;
    }
  }
}

/** Yields a body as it arrives. @throws Stalled when it arrives too slowly */
export async function* chunks(
  response: Response,
  stallTimeout: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const reader = response.body?.getReader();
  if (!reader) return;
  const paced = new PacedReader(reader, stallTimeout);
  try {
    for (;;) {
      const { done, value } = await paced.read(signal);
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Reads a body of at most `most` bytes. @returns its first `most` bytes, and whether there were more */
export async function readUpTo(
  response: Response,
  most: number,
  stallTimeout: number,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; more: boolean }> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const part of chunks(response, stallTimeout, signal)) {
    parts.push(part);
    size += part.length;
    if (size > most) break;
  }
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return { bytes: bytes.subarray(0, most), more: size > most };
}
