import type { Block } from "../experiments/blocks";
import { lengthOf, pairsIn } from "../experiments/blocks";
import type { Pair } from "../experiments/grid";
import type { GridFiles } from "./grid-plan";

/** One pair as the manifest lists it. */
export interface Entry {
  readonly content: string;
  readonly original: string;
  readonly file: string;
  readonly status: Status;
  readonly seconds?: number;
  readonly error?: string;
}

export type Status = "kept" | "done" | "failed";

/** Codes of the statuses; 0 is a pair of which nothing is known yet. */
const statuses: readonly (Status | undefined)[] = [undefined, "kept", "done", "failed"];

/** Outcomes of the pairs of a rectangle: five bytes a pair, and the errors. */
export class GridRecord {
  readonly #status: Uint8Array;
  readonly #seconds: Float32Array;
  readonly #errors = new Map<number, string>();

  constructor(readonly within: Block) {
    this.#status = new Uint8Array(pairsIn(within));
    this.#seconds = new Float32Array(pairsIn(within));
  }

  set(pair: Pair, status: Status, { seconds = 0, error }: { seconds?: number; error?: string } = {}): void {
    const at = this.#at(pair);
    this.#status[at] = statuses.indexOf(status);
    this.#seconds[at] = seconds;
    if (error === undefined) this.#errors.delete(at);
    else this.#errors.set(at, error);
  }

  statusOf(pair: Pair): Status | undefined {
    return statuses[this.#status[this.#at(pair)]!];
  }

  count(status: Status): number {
    const code = statuses.indexOf(status);
    return this.#status.reduce((sum, own) => sum + Number(own === code), 0);
  }

  /** Pairs of which something is known, original by original. */
  *entries(files: GridFiles): Generator<Entry> {
    for (const pair of pairsOf(this.within)) {
      const at = this.#at(pair);
      const status = statuses[this.#status[at]!];
      if (!status) continue;
      const error = this.#errors.get(at);
      yield {
        content: files.content(pair).name,
        original: files.original(pair).name,
        file: files.name(pair),
        status,
        ...(status === "done" && { seconds: Number(this.#seconds[at]!.toFixed(3)) }),
        ...(error !== undefined && { error }),
      };
    }
  }

  #at({ content, original }: Pair): number {
    const { contents, originals } = this.within;
    return (original - originals.from) * lengthOf(contents) + content - contents.from;
  }
}

/** The pairs of a rectangle, original by original. */
export function* pairsOf({ contents, originals }: Block): Generator<Pair> {
  for (let original = originals.from; original < originals.to; original++)
    for (let content = contents.from; content < contents.to; content++) yield { content, original };
}
