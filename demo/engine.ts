import {
  type ConfigHints,
  type Device,
  DeviceLostError,
  type InjectOptions,
  type Inversion,
  loadModel,
  type Model,
  openDevice,
  type Result,
  type RunOptions,
  UserError,
} from "../src/browser";
import { Directions } from "../src/inject/directions";
import type { DirectionsFile } from "../src/inject/directions-file";
import { isUnfamiliar, noiseStatistics } from "../src/inject/familiarity";
import { hShape } from "../src/model/config";
import type { HostCopies, HostCopy, InversionWay } from "./host-copies";
import { inputOf, type Picture } from "./pictures";

/** Where a model comes from (the shipped one's URL, or a name, an address, a file or a folder's files that the user gave),
 *  and what the user said that its weights do not say. */
export interface ModelSource {
  readonly from: string | URL | File | ReadonlyMap<string, File>;
  readonly hints?: ConfigHints;
}

export interface Loading {
  readonly signal: AbortSignal;
  readonly onProgress: (loaded: number, total: number) => void;
}

export interface InvertTogether extends RunOptions {
  /** Called with the pictures that a run inverts, and with the number of its steps that are done already. */
  readonly onBatch?: (batch: readonly Picture[], done: number) => void;
}

/** GPU bytes of inversions to keep; the least recently used go first. */
const KEPT_BYTES = 512 * 2 ** 20;

/** Pictures inverted at once. */
const INVERT_TOGETHER = 4;

/** A device, a model on it, and the inversions made so far, which stay on the GPU. */
export class Engine {
  /** pictures of inverted batches; a batch is freed with the last of its pictures */
  readonly #kept = new Map<
    string,
    { readonly inversion: Inversion; readonly batch: Inversion; readonly bytes: number }
  >();
  readonly #unfamiliar = new Set<string>();
  #directions: { readonly file: DirectionsFile; readonly uploaded: Promise<Directions> } | undefined;
  #closed = false;

  private constructor(
    readonly device: Device,
    readonly model: Model,
    /** inversions on the host, for when the device is lost */
    readonly copies: HostCopies,
  ) {}

  /** @param copies of inversions made with an engine before this one
   *  @param onLost called once when the device goes away by itself, or runs out of memory */
  static async open(
    { from, hints }: ModelSource,
    copies: HostCopies,
    loading: Loading,
    onLost: (error: Error) => void,
  ): Promise<Engine> {
    const device = await openDevice();
    try {
      const model = await loadModel(from, {
        device,
        signal: loading.signal,
        cache: true,
        ...hints,
        onProgress: ({ loaded, total }) => loading.onProgress(loaded, total),
      });
      const engine = new Engine(device, model, copies);
      const tell = (error: Error) => {
        if (!engine.#closed) onLost(error);
      };
      device.lost.catch(tell);
      device.gpu.addEventListener("uncapturederror", ({ error }) => {
        if (error instanceof GPUOutOfMemoryError) tell(new UserError(OUT_OF_MEMORY));
        else console.error(error.message);
      });
      return engine;
    } catch (error) {
      device.destroy();
      throw error;
    }
  }

  /** [channels, height, width] of the bottleneck h; the mask lives on its grid. */
  get h(): readonly [number, number, number] {
    return hShape(this.model.config);
  }

  /** Tensor after which contents and directions act. */
  get tap(): string {
    return this.model.network.unet(1).h;
  }

  /** Whether a run with this picture starts without inverting it: its inversion is on the GPU, or finished on the host. */
  has(picture: Picture, way: InversionWay): boolean {
    return this.#kept.has(keyOf(picture, way)) || this.#copy(picture, way)?.snapshot.step === way.steps;
  }

  /** Returns the inversions of these pictures. Those that are not kept are made now, several at once; one that was begun on a
   *  lost device is finished. */
  async invert(pictures: readonly Picture[], way: InversionWay, options: InvertTogether): Promise<Inversion[]> {
    for (const p of pictures) if (this.#kept.has(keyOf(p, way))) this.#use(keyOf(p, way));
    const missing = () =>
      [...new Map(pictures.map((p) => [p.key, p])).values()].filter((p) => !this.#kept.has(keyOf(p, way)));
    for (let rest = missing(); rest.length > 0; rest = missing()) {
      const copy = this.#copy(rest[0]!, way);
      const batch = copy?.pictures ?? rest.filter((p) => !this.#copy(p, way)).slice(0, INVERT_TOGETHER);
      await this.#invertBatch(batch, way, copy, options, pictures.length);
    }
    return pictures.map((p) => this.#use(keyOf(p, way)));
  }

  async #invertBatch(
    batch: readonly Picture[],
    way: InversionWay,
    copy: HostCopy | undefined,
    { onBatch, ...options }: InvertTogether,
    atLeast: number,
  ): Promise<void> {
    onBatch?.(batch, copy?.snapshot.step ?? 0);
    const all = await this.model.invert(batch.map(inputOf), {
      ...way,
      snapshotEvery: 1,
      onSnapshot: (snapshot) => this.copies.keep({ model: this.model.hash, pictures: batch, ...way, snapshot }),
      ...(copy && { resume: copy.snapshot }),
      ...options,
    });
    await this.#judge(batch, way, all);
    batch.forEach((p, i) => {
      this.#keep(keyOf(p, way), all.select(i), all, atLeast + batch.length);
    });
  }

  /** Whether a picture was inverted to noise that the model does not know: it is unlike what the model was trained on. */
  isUnfamiliar(picture: Picture, way: InversionWay): boolean {
    return this.#unfamiliar.has(keyOf(picture, way));
  }

  async #judge(batch: readonly Picture[], way: InversionWay, inverted: Inversion): Promise<void> {
    const all = await inverted.readXT();
    const size = all.length / batch.length;
    batch.forEach((p, n) => {
      const statistics = noiseStatistics(all.subarray(n * size, (n + 1) * size), this.model.pictureShape.width);
      if (isUnfamiliar(statistics)) this.#unfamiliar.add(keyOf(p, way));
    });
  }

  #copy(picture: Picture, way: InversionWay): HostCopy | undefined {
    return this.copies.of(this.model.hash, picture, way);
  }

  /** Content injection; see `Model.inject`. */
  inject(options: InjectOptions): Promise<Result> {
    return this.model.inject(options);
  }

  /** The directions of a file, on the GPU until those of another are asked for. */
  directions(file: DirectionsFile): Promise<Directions> {
    if (this.#directions?.file !== file) {
      this.#dropDirections();
      const uploaded = Directions.of(this.device, file.info, file.values);
      this.#directions = { file, uploaded };
      uploaded.catch(() => this.#dropDirections()); // another try uploads them anew
    }
    return this.#directions!.uploaded;
  }

  #dropDirections(): void {
    this.#directions?.uploaded.then(
      (directions) => directions.dispose(),
      () => {},
    );
    this.#directions = undefined;
  }

  /** Frees everything. */
  close(): void {
    this.#closed = true;
    this.forget();
    this.#dropDirections();
    this.model.dispose();
    this.device.destroy();
  }

  /** Frees the inversions. */
  forget(): void {
    for (const { batch } of this.#kept.values()) batch.dispose();
    this.#kept.clear();
  }

  #use(key: string): Inversion {
    const found = this.#kept.get(key);
    if (!found) throw new DeviceLostError("an inversion is gone; run again");
    this.#kept.delete(key); // to the end: most recently used
    this.#kept.set(key, found);
    return found.inversion;
  }

  #keep(key: string, inversion: Inversion, batch: Inversion, atLeast: number): void {
    this.#drop(key);
    const [c, height, width] = this.h;
    this.#kept.set(key, { inversion, batch, bytes: 4 * c * height * width * inversion.info.steps });
    let total = [...this.#kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [old, { bytes }] of this.#kept) {
      if (total <= KEPT_BYTES || this.#kept.size <= atLeast) break;
      this.#drop(old);
      total -= bytes;
    }
  }

  #drop(key: string): void {
    const batch = this.#kept.get(key)?.batch;
    this.#kept.delete(key);
    if (batch && ![...this.#kept.values()].some((other) => other.batch === batch)) batch.dispose();
  }
}

const keyOf = ({ key }: Picture, { steps, solver }: InversionWay): string => `${key}@${steps} ${solver}`;

const OUT_OF_MEMORY =
  "The GPU ran out of memory. Use fewer inversion steps (one h is kept for each) or a smaller model, and close other pages that use the GPU.";
