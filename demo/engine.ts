import {
  type Device,
  DeviceLostError,
  type ImageInput,
  type InjectOptions,
  type Inversion,
  loadModel,
  type Model,
  openDevice,
  type Result,
  type RunOptions,
  UserError,
} from "../src/browser";
import { hShape } from "../src/model/config";
import type { Picture } from "./pictures";

/** Where a model comes from: the shipped one's URL; or an address or file the user gave. */
export type ModelSource = string | URL | File;

/** Side of the pictures of the model that comes with the page. */
const SHIPPED_SIDE = 64;

export interface Loading {
  readonly signal: AbortSignal;
  readonly onProgress: (loaded: number, total: number) => void;
}

/** GPU bytes of inversions that are kept; the least recently used go first. */
const KEPT_BYTES = 512 * 2 ** 20;

/** Pictures inverted at once. */
const INVERT_TOGETHER = 4;

/** A device, a model on it, and the inversions made so far, which stay on the GPU. */
export class Engine {
  readonly #kept = new Map<string, { readonly inversion: Inversion; readonly bytes: number }>();
  #closed = false;

  private constructor(
    readonly device: Device,
    readonly model: Model,
    readonly source: ModelSource,
  ) {}

  /** @param onLost told once when the device goes away by itself, or runs out of memory */
  static async open(source: ModelSource, loading: Loading, onLost: (error: Error) => void): Promise<Engine> {
    const device = await openDevice();
    try {
      const model = await loadModel(source, {
        device,
        signal: loading.signal,
        cache: true,
        ...(source instanceof URL && { resolution: SHIPPED_SIDE }),
        onProgress: ({ loaded, total }) => loading.onProgress(loaded, total),
      });
      const engine = new Engine(device, model, source);
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

  has(picture: Picture, steps: number): boolean {
    return this.#kept.has(`${picture.id}@${steps}`);
  }

  /** The inversions of these pictures, made now where they are not kept yet: several at once.
   *  @param options.onBatch told which pictures a run begins to invert */
  async invert(
    pictures: readonly Picture[],
    steps: number,
    { onBatch, ...options }: RunOptions & { onBatch?: (batch: readonly Picture[]) => void },
  ): Promise<Inversion[]> {
    const missing = [...new Map(pictures.map((p) => [p.id, p])).values()].filter((p) => !this.has(p, steps));
    for (let at = 0; at < missing.length; at += INVERT_TOGETHER) {
      const batch = missing.slice(at, at + INVERT_TOGETHER);
      onBatch?.(batch);
      const images: ImageInput[] = batch.map((p) => p.pixels);
      const all = await this.model.invert(images, { steps, ...options });
      batch.forEach((p, i) => {
        this.#keep(`${p.id}@${steps}`, all.select(i), pictures.length);
      });
      all.dispose();
    }
    return pictures.map((p) => this.#use(`${p.id}@${steps}`));
  }

  /** Content injection; see `Model.inject`. */
  inject(options: InjectOptions): Promise<Result> {
    return this.model.inject(options);
  }

  /** Frees everything. */
  close(): void {
    this.#closed = true;
    this.forget();
    this.model.dispose();
    this.device.destroy();
  }

  /** Frees the inversions. */
  forget(): void {
    for (const { inversion } of this.#kept.values()) inversion.dispose();
    this.#kept.clear();
  }

  #use(key: string): Inversion {
    const found = this.#kept.get(key);
    if (!found) throw new DeviceLostError("an inversion is gone; run again");
    this.#kept.delete(key); // to the end: most recently used
    this.#kept.set(key, found);
    return found.inversion;
  }

  #keep(key: string, inversion: Inversion, atLeast: number): void {
    const [c, height, width] = this.h;
    this.#kept.set(key, { inversion, bytes: 4 * c * height * width * inversion.info.steps });
    let total = [...this.#kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [old, { inversion: oldest, bytes }] of this.#kept) {
      if (total <= KEPT_BYTES || this.#kept.size <= atLeast) break;
      oldest.dispose();
      this.#kept.delete(old);
      total -= bytes;
    }
  }
}

const OUT_OF_MEMORY =
  "The GPU ran out of memory. Use fewer inversion steps (one h is kept for each) or a smaller model, and close other pages that use the GPU.";
