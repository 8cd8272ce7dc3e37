import { UserError } from "../errors";

/** The life of something that its owner may dispose of while calls still use it: it ends when the last of them lets go. */
export class Life {
  #calls = 0;
  #disposed = false;

  /** @param gone message of the error for use after `dispose`
   *  @param end frees what there is to free */
  constructor(
    readonly gone: string,
    readonly end: () => void,
  ) {}

  get disposed(): boolean {
    return this.#disposed;
  }

  /** @throws UserError after `dispose` */
  check(): void {
    if (this.#disposed) throw new UserError(this.gone);
  }

  /** Keeps it alive for as long as a call runs. @throws UserError after `dispose` */
  async during<T>(call: () => Promise<T>): Promise<T> {
    this.check();
    this.#calls++;
    try {
      return await call();
    } finally {
      if (--this.#calls === 0 && this.#disposed) this.end();
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#calls === 0) this.end();
  }
}

/** Keeps all of them alive for as long as a call runs. @throws UserError when one was disposed */
export function duringAll<T>(lives: readonly Life[], call: () => Promise<T>): Promise<T> {
  const [first, ...others] = lives;
  return first ? first.during(() => duringAll(others, call)) : call();
}
