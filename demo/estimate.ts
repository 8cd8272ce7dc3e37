/** So many steps over so many pictures at once. */
export interface Work {
  readonly kind: "invert" | "generate";
  readonly steps: number;
  readonly pictures: number;
}

/** Share of a new measurement in what is kept. */
const FRESH = 0.3;

/** Milliseconds that a picture takes for a step, as runs showed them, and seconds that work will take. */
export class Estimate {
  readonly #costs = new Map<Work["kind"], number>();
  #last: number | undefined;

  /** A run begins. The time up to its first step does not count: shaders may be compiled in it. */
  begin(): void {
    this.#last = undefined;
  }

  /** A step over `pictures` ended at `now`, in milliseconds. */
  step(kind: Work["kind"], pictures: number, now: number): void {
    if (this.#last !== undefined) {
      const cost = (now - this.#last) / pictures;
      const before = this.#costs.get(kind) ?? cost;
      this.#costs.set(kind, before + FRESH * (cost - before));
    }
    this.#last = now;
  }

  knows(kind: Work["kind"]): boolean {
    return this.#costs.has(kind);
  }

  /** Seconds that this work takes; a step of a kind not seen yet counts as one of the other kind. undefined at first. */
  seconds(work: readonly Work[]): number | undefined {
    const [any] = this.#costs.values();
    if (any === undefined) return undefined;
    const cost = ({ kind, steps, pictures }: Work) => (this.#costs.get(kind) ?? any) * steps * pictures;
    return work.reduce((sum, one) => sum + cost(one), 0) / 1000;
  }

  /** Forgets everything: another model takes other times. */
  clear(): void {
    this.#costs.clear();
  }
}

/** A number of seconds in words, as coarse as an estimate is. */
export function about(seconds: number): string {
  if (seconds < 10) return `${Math.max(1, Math.ceil(seconds))} s`;
  if (seconds < 90) return `${Math.ceil(seconds / 5) * 5} s`;
  return `${Math.ceil(seconds / 60)} min`;
}
