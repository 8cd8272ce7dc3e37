import { UserError } from "../errors";

const FILTERS = ["internal", "out-of-memory", "validation"] as const;

/** Collects the GPU errors of one call, also while other calls run. A device has a single stack of error scopes, so a
 *  scope held open across an `await` would catch errors of other calls and miss its own. Here every scope is pushed and
 *  popped around synchronous work, and only the answer is waited for. */
export class ErrorScope {
  readonly #pending = new Set<Promise<void>>();
  #first: Error | undefined;

  /** @param what names the call in its errors */
  constructor(
    readonly gpu: GPUDevice,
    readonly what: string,
  ) {}

  /** Runs synchronous work and collects the errors it makes.
   *  @param describe turns a GPU error into the one that the call rejects with */
  run<T>(work: () => T, describe: (error: GPUError) => Error = (error) => this.#describe(error)): T {
    for (const filter of FILTERS) this.gpu.pushErrorScope(filter);
    try {
      return work();
    } finally {
      for (const _ of FILTERS) this.#collect(this.gpu.popErrorScope(), describe);
    }
  }

  /** Waits until the GPU has answered for all work so far. @throws the first error it reported */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    if (this.#first) throw this.#first;
  }

  /** @throws the first error reported so far, without waiting */
  check(): void {
    if (this.#first) throw this.#first;
  }

  #collect(popped: Promise<GPUError | null>, describe: (error: GPUError) => Error): void {
    const arrival = popped.then(
      (error) => {
        if (error) this.#first ??= describe(error);
      },
      () => {}, // the device is lost: whatever waits for it says so
    );
    this.#pending.add(arrival);
    arrival.finally(() => this.#pending.delete(arrival));
  }

  #describe(error: GPUError): Error {
    if (isOutOfMemory(error))
      return new UserError(
        `${this.what}: the GPU ran out of memory; use a smaller batch or model (${firstLine(error.message)})`,
      );
    return new Error(`${this.what}: ${error.message}`);
  }
}

export const isOutOfMemory = (error: GPUError): boolean => error.constructor.name === "GPUOutOfMemoryError";

const firstLine = (text: string): string => text.split("\n", 1)[0]!;
