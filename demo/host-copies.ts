import type { RunSnapshot, Solver } from "../src/browser";
import type { Picture } from "./pictures";

/** What tells inversions of one picture apart. */
export interface InversionWay {
  readonly steps: number;
  readonly solver: Solver;
}

/** A copy on the host of an inversion, finished or begun. */
export interface HostCopy extends InversionWay {
  /** hash of the model */
  readonly model: string;
  readonly pictures: readonly Picture[];
  readonly snapshot: RunSnapshot;
}

/** Bytes kept on the host; the oldest go first. */
const MOST_BYTES = 128 * 2 ** 20;

/** Copies of inversions that outlive a lost device. Each step delivers its copy along with its work, so that keeping them
 *  costs no waiting. */
export class HostCopies {
  #copies: HostCopy[] = [];

  /** Keeps a copy in the place of an older one of the same pictures. */
  keep(copy: HostCopy): void {
    this.#copies = [...this.#copies.filter((old) => nameOf(old) !== nameOf(copy)), copy];
    let bytes = this.#copies.reduce((sum, { snapshot }) => sum + bytesOf(snapshot), 0);
    while (bytes > MOST_BYTES && this.#copies.length > 1) bytes -= bytesOf(this.#copies.shift()!.snapshot);
  }

  /** The newest copy that holds this picture. */
  of(model: string, { key }: Picture, { steps, solver }: InversionWay): HostCopy | undefined {
    return this.#copies.findLast(
      (copy) =>
        copy.model === model &&
        copy.steps === steps &&
        copy.solver === solver &&
        copy.pictures.some((p) => p.key === key),
    );
  }
}

const nameOf = ({ model, steps, solver, pictures }: HostCopy): string =>
  [model, steps, solver, ...pictures.map(({ key }) => key)].join(" ");

const bytesOf = ({ x, kept }: RunSnapshot): number =>
  Object.values(kept).reduce((sum, values) => sum + values.byteLength, x.byteLength);
