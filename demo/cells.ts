import type { Pixels } from "../src/browser";

/** A pair of the grid, by the keys of its pictures. */
export interface Pair {
  readonly original: { readonly key: string };
  readonly content: { readonly key: string };
}

interface Cell {
  readonly pixels: Pixels;
  /** the settings that made it; undefined for a prediction of a run under way */
  readonly made: string | undefined;
}

/** Results kept; the oldest go first. */
const MOST = 256;

/** Results of the grid by what they were made of. They stay when the choice of pictures changes, and come back with it. */
export class Cells {
  readonly #cells = new Map<string, Cell>();

  /** Keeps a result, or the prediction of one. */
  put(pair: Pair, pixels: Pixels, made?: string): void {
    const key = keyOf(pair);
    this.#cells.delete(key); // to the end: newest
    this.#cells.set(key, { pixels, made });
    for (const oldest of this.#cells.keys()) {
      if (this.#cells.size <= MOST) break;
      this.#cells.delete(oldest);
    }
  }

  of(pair: Pair): Pixels | undefined {
    return this.#cells.get(keyOf(pair))?.pixels;
  }

  /** Whether a pair's result was made with these settings. */
  fresh(pair: Pair, made: string): boolean {
    return this.#cells.get(keyOf(pair))?.made === made;
  }

  /** The pairs that a run with these settings has to make. */
  missing<P extends Pair>(pairs: readonly P[], made: string): P[] {
    return pairs.filter((pair) => !this.fresh(pair, made));
  }

  /** Drops predictions that no run will finish. */
  dropUnfinished(): void {
    for (const [key, { made }] of this.#cells) if (made === undefined) this.#cells.delete(key);
  }
}

const keyOf = ({ original, content }: Pair): string => JSON.stringify([original.key, content.key]);
