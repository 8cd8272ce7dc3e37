/** Waits for a promise of the GPU without spending a core on it. In Node, Dawn polls on every turn of the event loop, so a
 *  pending promise keeps one core busy, which a software adapter needs itself. Here every turn sleeps: the same forward
 *  takes 193 ms instead of 348, the pipelines of a model 2.4 s instead of 3.4. Browsers do not poll, so there the promise is
 *  returned as it is. */
export async function patiently<T>(promise: Promise<T>): Promise<T> {
  if (typeof setImmediate !== "function" || typeof document !== "undefined") return promise;
  if (waiting === 0) began = performance.now(); // also where the turn for the last promise is still to come
  waiting++;
  if (!turning) setImmediate(turn);
  turning = true;
  try {
    return await promise;
  } finally {
    waiting--;
  }
}

let waiting = 0;
let turning = false;
let began = 0;
let cell: Int32Array<SharedArrayBuffer> | undefined;

/** How long a turn sleeps: a share of the wait so far, from `least` to `most` milliseconds. A turn costs a twentieth of a
 *  millisecond on one core, and more while others wait for that core. */
const NAP = { least: 1, most: 3, share: 1 / 50 };

function turn(): void {
  turning = waiting > 0;
  if (!turning) return;
  cell ??= new Int32Array(new SharedArrayBuffer(4));
  const nap = (performance.now() - began) * NAP.share;
  Atomics.wait(cell, 0, 0, Math.min(Math.max(nap, NAP.least), NAP.most));
  setImmediate(turn);
}

/** The promise, or the signal's reason as soon as it is aborted. */
export function abortable<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Waits for `ms`. @throws the signal's reason when it aborts first */
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

/** Longest stretch of synchronous work in ms before others have their turn. */
const STRETCH = 20;

/** Splits long synchronous work, so that timers, signals and other calls are not kept waiting. */
export class Turns {
  #began = performance.now();

  /** @param signal ends the work when it is aborted */
  constructor(readonly signal?: AbortSignal) {}

  /** Lets the event loop turn if the work has gone on for a while. @throws the signal's reason */
  async give(): Promise<void> {
    this.signal?.throwIfAborted();
    if (performance.now() - this.#began < STRETCH) return;
    await new Promise<void>((resolve) =>
      typeof setImmediate === "function" ? setImmediate(resolve) : setTimeout(resolve),
    );
    this.#began = performance.now();
    this.signal?.throwIfAborted();
  }
}
