import type { Device } from "./device";

/** Waits for work that is submitted again and again. On a software adapter most of the time it took before is slept
 *  through first: in Node a pending promise of the GPU polls on a core that the adapter needs itself (8.6 ms against
 *  13.5 ms for the same work). A GPU is waited for at once. */
export class Rest {
  /** milliseconds from submitting to the end */
  #expected = 0;

  constructor(readonly device: Device) {}

  /** @param submitted `performance.now()` of the submit @param wait resolves when the work is done */
  async until<T>(submitted: number, wait: () => Promise<T>): Promise<T> {
    const rest = submitted + 0.85 * this.#expected - performance.now();
    if (this.device.adapterClass === "software" && rest > 2) await new Promise((resolve) => setTimeout(resolve, rest));
    const woke = performance.now();
    const result = await wait();
    const now = performance.now();
    const took = now - submitted;
    if (rest > 2 && now - woke < 1)
      this.#expected = 0.7 * took; // overslept, by how much is not known
    else this.#expected = this.#expected === 0 ? took : Math.min(took, 0.7 * this.#expected + 0.3 * took);
    return result;
  }
}
