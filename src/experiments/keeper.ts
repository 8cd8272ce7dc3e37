import type { InvertOptions, Pixels } from "../api";
import { UserError } from "../errors";
import { type InversionFile, readInversion } from "../inject/inversion-file";
import type { Model } from "../inject/model";
import { grouped, type Inverted, invertMany, type Outcome } from "./batches";
import { joinInversions, splitInversion } from "./joined";

/** A picture whose inversion is wanted. Pictures of one key have one inversion. */
export interface Wanted {
  readonly key: string;
  /** Decodes it, when it has to be inverted. */
  read(): Promise<Pixels>;
}

/** Where inversions outlive the process: saved files by key. */
export interface Shelf {
  /** The bytes of a saved inversion; undefined where there is none. */
  read(key: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  write(key: string, inversion: Uint8Array): Promise<void>;
}

export interface KeeperOptions {
  /** how pictures are inverted */
  readonly invert: InvertOptions;
  /** pictures inverted together */
  readonly batch: number;
  /** bytes of inversions that may stay on the GPU once nobody holds them */
  readonly budget: number;
  readonly shelf?: Shelf | undefined;
}

/** Work on inversions so far, in pictures. */
export interface Kept {
  inverted: number;
  loaded: number;
}

/** Inversions that several runs ask for, by key: kept on the GPU while somebody holds them, and after that as long as the
 *  budget lasts, those least recently used going first. */
export class Keeper {
  readonly done: Kept = { inverted: 0, loaded: 0 };
  readonly #places = new Map<string, Place>();
  /** the least recently used first */
  readonly #batches = new Set<Batch>();
  readonly #failed = new Map<string, Error>();
  #bytes = 0;

  constructor(
    readonly model: Model,
    readonly options: KeeperOptions,
  ) {}

  /** Bytes of all inversions at hand. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of one picture's inversion. */
  get perPicture(): number {
    return inversionBytes(this.model, this.options.invert);
  }

  /** Inverts pictures, unless their inversions are at hand or on the shelf. Each stays until `release`.
   *  @param onShare told how much of the work is done, 0 to 1
   *  @returns by key, where each one is, or why there is none */
  async hold(
    wanted: readonly Wanted[],
    { signal, onShare }: { readonly signal: AbortSignal; readonly onShare?: (share: number) => void },
  ): Promise<Held> {
    const distinct = [...new Map(wanted.map((picture) => [picture.key, picture])).values()];
    const held = new Set<Batch>();
    const take = (key: string) => {
      const place = this.#places.get(key);
      if (!place || held.has(place.batch)) return place !== undefined;
      held.add(place.batch);
      place.batch.holders++;
      this.#batches.delete(place.batch);
      this.#batches.add(place.batch);
      return true;
    };
    const release = () => {
      for (const batch of held) batch.holders--;
      held.clear();
      this.#makeRoom(0);
    };
    try {
      const missing = distinct.filter(({ key }) => !take(key) && !this.#failed.has(key));
      let done = 0;
      const progress = (pictures: number) => onShare?.(Math.min(1, (done + pictures) / missing.length));
      for await (const group of this.#fromShelf(missing)) {
        signal.throwIfAborted();
        this.#makeRoom(group.keys.length * this.perPicture);
        this.#add(group.keys, await group.open());
        this.done.loaded += group.keys.length;
        for (const key of group.keys) take(key);
        done += group.keys.length;
        progress(0);
      }
      for (const group of grouped(
        missing.filter(({ key }) => !this.#places.has(key)),
        this.options.batch,
      )) {
        this.#makeRoom(group.length * this.perPicture);
        await this.#invert(group, signal, progress);
        for (const { key } of group) take(key);
        done += group.length;
      }
    } catch (error) {
      release();
      throw error;
    }
    return {
      outcomes: new Map(
        distinct.map(({ key }): [string, Outcome<Inverted>] => {
          const place = this.#places.get(key);
          return [
            key,
            place ? { value: { batch: place.batch.inversion, index: place.index } } : { error: this.#failed.get(key)! },
          ];
        }),
      ),
      release,
    };
  }

  /** Frees everything. */
  dispose(): void {
    for (const batch of this.#batches) this.#drop(batch);
  }

  /** Takes the inversions of these pictures that the shelf has, in batches. */
  async *#fromShelf(missing: readonly Wanted[]) {
    const { shelf, batch } = this.options;
    if (!shelf) return;
    const found: { key: string; file: InversionFile }[] = [];
    const take = () => {
      const group = found.splice(0);
      const open = () =>
        joinInversions(
          this.model,
          group.map(({ file }) => file),
        );
      return { keys: group.map(({ key }) => key), open };
    };
    for (const { key } of missing) {
      const file = await this.#readShelf(shelf, key);
      if (file) found.push({ key, file });
      if (found.length === batch) yield take();
    }
    if (found.length > 0) yield take();
  }

  /** A saved inversion; one that is damaged, or another model's, counts as none and is written anew. */
  async #readShelf(shelf: Shelf, key: string): Promise<InversionFile | undefined> {
    const bytes = await shelf.read(key);
    if (!bytes) return undefined;
    try {
      const file = await readInversion(bytes, key);
      return file.info.model === this.model.hash ? file : undefined;
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }

  async #invert(group: readonly Wanted[], signal: AbortSignal, onDone: (pictures: number) => void): Promise<void> {
    const read: { key: string; pixels: Pixels }[] = [];
    for (const { key, read: decode } of group) {
      signal.throwIfAborted();
      try {
        read.push({ key, pixels: await decode() });
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        this.#failed.set(key, error);
      }
    }
    const { invert, batch } = this.options;
    const outcomes = await invertMany(
      this.model,
      read.map(({ pixels }) => pixels),
      { ...invert, batch, signal, onDone },
    );
    const made = new Map<Inverted["batch"], string[]>();
    for (const [i, outcome] of outcomes.entries()) {
      const { key } = read[i]!;
      if ("error" in outcome) this.#failed.set(key, outcome.error);
      else made.set(outcome.value.batch, [...(made.get(outcome.value.batch) ?? []), key]);
    }
    for (const [inversion, keys] of made) this.#add(keys, inversion);
    this.done.inverted += read.length;
    for (const [inversion, keys] of made) await this.#shelve(keys, inversion);
  }

  async #shelve(keys: readonly string[], inversion: Inverted["batch"]): Promise<void> {
    const { shelf } = this.options;
    if (!shelf) return;
    const files = await splitInversion(inversion);
    for (const [i, file] of files.entries()) await shelf.write(keys[i]!, file);
  }

  #add(keys: readonly string[], inversion: Inverted["batch"]): void {
    const batch: Batch = { inversion, keys, bytes: keys.length * this.perPicture, holders: 0 };
    keys.forEach((key, index) => {
      this.#places.set(key, { batch, index });
    });
    this.#batches.add(batch);
    this.#bytes += batch.bytes;
  }

  /** Frees what nobody holds until so many bytes more stay within the budget. */
  #makeRoom(bytes: number): void {
    for (const batch of this.#batches) {
      if (this.#bytes + bytes <= this.options.budget) return;
      if (batch.holders === 0) this.#drop(batch);
    }
  }

  #drop(batch: Batch): void {
    this.#batches.delete(batch);
    this.#bytes -= batch.bytes;
    for (const key of batch.keys) this.#places.delete(key);
    batch.inversion.dispose();
  }
}

/** Inversions that were asked for. Call `release` when they are no longer needed. */
export interface Held {
  readonly outcomes: ReadonlyMap<string, Outcome<Inverted>>;
  release(): void;
}

/** Pictures that were inverted together: freed together. */
interface Batch {
  readonly inversion: Inverted["batch"];
  readonly keys: readonly string[];
  readonly bytes: number;
  holders: number;
}

interface Place {
  readonly batch: Batch;
  readonly index: number;
}

/** Bytes on the GPU of one picture's inversion: the picture, x_T, and h at every step. */
export function inversionBytes(model: Model, { steps = 50, tap }: InvertOptions): number {
  const { channels, height, width } = model.pictureShape;
  const h = tap === undefined ? model.hShape : model.tapShape(tap);
  return 4 * (2 * channels * height * width + steps * h.reduce((a, b) => a * b, 1));
}
