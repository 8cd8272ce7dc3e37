import { DeviceLostError, type RunSnapshot } from "../src/browser";

/** One attempt at a piece of work. */
export interface Attempt {
  readonly signal: AbortSignal;
  /** The generation that a lost device cut short, when this attempt resumes it. */
  readonly resume?: RunSnapshot | undefined;
}

export type Work = (attempt: Attempt) => Promise<void>;

/** Callbacks of the page for a task. */
export interface TaskListener {
  started(): void;
  /** The queue is empty again. */
  idle(): void;
  /** @param again resumes the same work after a lost device, else begins anew with what the page says by then */
  failed(error: unknown, again: () => void): void;
}

/** One thing at a time on the GPU: a new task cancels the one before and waits for it to end. */
export class Tasks {
  #queue: Promise<void> = Promise.resolve();
  #current: AbortController | undefined;

  constructor(readonly listener: TaskListener) {}

  get running(): boolean {
    return this.#current !== undefined;
  }

  /** @param plan reads the page at once and returns the work, which reads it no more: it can be resumed as it was */
  start(plan: () => Work): Promise<void> {
    return this.#attempt(plan, plan());
  }

  /** @param reason what the work ends with; a cancellation unless given */
  cancel(reason?: unknown): void {
    this.#current?.abort(reason);
  }

  #attempt(plan: () => Work, work: Work, resume?: RunSnapshot): Promise<void> {
    this.cancel();
    const controller = new AbortController();
    this.#current = controller;
    const mine = this.#queue.then(async () => {
      if (controller.signal.aborted) return;
      this.listener.started();
      try {
        await work({ signal: controller.signal, resume });
      } catch (error) {
        // A task that a newer one replaced has nothing to report any more.
        if (this.#current === controller) this.listener.failed(error, () => this.#again(plan, work, error));
      } finally {
        if (this.#current === controller) {
          this.#current = undefined;
          this.listener.idle();
        }
      }
    });
    this.#queue = mine;
    return mine;
  }

  #again(plan: () => Work, work: Work, error: unknown): void {
    if (!(error instanceof DeviceLostError)) return void this.start(plan);
    const { snapshot } = error;
    void this.#attempt(plan, work, snapshot?.phase === "generate" ? snapshot : undefined);
  }
}
