import type { Pixels } from "../api";
import { UserError } from "../errors";
import { readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import type { InversionInfo } from "./bank";
import { toPixels } from "./images";
import { besides, type InversionFile, readInversion, writeInversion } from "./inversion-file";
import { Store } from "./store";

export type { InversionInfo } from "./bank";

/** One or several pictures inverted: x_T, the bank of h, and what the method keeps besides, all on the GPU. */
export class Inversion {
  #closed = false;

  private constructor(
    readonly device: Device,
    readonly info: InversionInfo,
    /** @internal */
    readonly store: Store,
    /** Positions in the stored batch.
     *  @internal */
    readonly samples: readonly number[],
    /** Whether this is a view of another inversion.
     *  @internal */
    readonly selection = false,
  ) {}

  /** @internal */
  static of(info: InversionInfo, store: Store): Inversion {
    const all = Array.from({ length: info.sources.length }, (_, n) => n);
    return new Inversion(store.device, info, store, all);
  }

  /** Number of pictures. */
  get count(): number {
    return this.samples.length;
  }

  /** Time steps of which h is kept, ascending. */
  get times(): number[] {
    return this.store.times;
  }

  /** Some of the pictures, in any order, repeats allowed: a view of this inversion, which copies nothing, needs no disposal
   *  and ends with it. @throws UserError for a number out of range */
  select(...indices: readonly number[]): Inversion {
    this.check();
    const samples = indices.map((i) => {
      const sample = this.samples[i];
      if (sample === undefined) throw new UserError(`picture ${i}: this inversion holds ${this.count}`);
      return sample;
    });
    return new Inversion(this.device, this.info, this.store, samples, true);
  }

  /** @internal @throws UserError after `dispose` */
  check(): void {
    if (this.#closed) throw new UserError(DISPOSED);
    this.store.life.check();
  }

  /** The pictures as the network saw them: placed in the model's square. */
  async toPixels(): Promise<Pixels[]> {
    const { count } = this.store;
    const all = await this.#during((images) => toPixels(this.device, images, count, this.info.picture), "images");
    return this.samples.map((n) => all[n]!);
  }

  /** The same as values: f32 [count, C, H, W] in [-1, 1].
   *  @internal */
  readImages(): Promise<Float32Array<ArrayBuffer>> {
    return this.#read("images");
  }

  /** x_T of every picture: f32 [count, C, H, W]. */
  readXT(): Promise<Float32Array<ArrayBuffer>> {
    return this.#read("x_T");
  }

  /** h at the stored time t: f32 [count, C, H, W]. @throws UserError for a time that is not stored */
  async readH(t: number): Promise<Float32Array<ArrayBuffer>> {
    if (!this.times.includes(t)) throw new UserError(`no h is kept for t = ${t}; kept are ${this.times.join(", ")}`);
    return this.#read(`h.${t}`);
  }

  /** Everything as one safetensors file: `image`, `x_T`, `h.<t>`, and in its metadata the model's hash and parameters. */
  async save(): Promise<Uint8Array<ArrayBuffer>> {
    const { picture: of, h } = this.info;
    const picture = [this.count, of.channels, of.height, of.width];
    const tensors: InversionFile["tensors"][number][] = [
      { name: "image", shape: picture, data: await this.readImages() },
      { name: "x_T", shape: picture, data: await this.readXT() },
    ];
    const banks = this.times.map((t) => `h.${t}`);
    for (const name of besides(this.info.method, banks))
      tensors.push({ name, shape: picture, data: await this.#read(name) });
    for (const t of this.times) tensors.push({ name: `h.${t}`, shape: [this.count, ...h], data: await this.readH(t) });
    const sources = this.samples.map((n) => this.info.sources[n]);
    return writeInversion({ info: { ...this.info, sources }, tensors });
  }

  /** Uploads a saved inversion.
   *  @internal @throws UserError when it belongs to another model, is damaged, or is no inversion */
  static async load(device: Device, bytes: Uint8Array, model: string, name = "inversion"): Promise<Inversion> {
    const { info, tensors } = await readInversion(bytes, name);
    if (info.model !== model)
      throw new UserError(
        `${name}: made with another model (${info.model.slice(0, 12)}, this one is ${model.slice(0, 12)}); invert the picture again`,
      );
    const contents = tensors.map(({ name: tensor, data }) => [tensor === "image" ? "images" : tensor, data] as const);
    return Inversion.of(info, await Store.upload(device, info.sources.length, new Map(contents)));
  }

  async #read(tensor: string): Promise<Float32Array<ArrayBuffer>> {
    const all = await this.#during(async (buffer) => new Float32Array(await readBuffer(this.device, buffer)), tensor);
    const perSample = all.length / this.store.count;
    const picked = new Float32Array(this.count * perSample);
    this.samples.forEach((sample, n) => {
      picked.set(all.subarray(sample * perSample, (sample + 1) * perSample), n * perSample);
    });
    return picked;
  }

  async #during<T>(work: (buffer: GPUBuffer) => Promise<T>, tensor: string): Promise<T> {
    this.check();
    return this.store.life.during(async () => work((await this.store.buffers()).get(tensor)!));
  }

  /** Frees the GPU's memory, once the last run that uses it has ended; of a selection, nothing. */
  dispose(): void {
    this.#closed = true;
    if (!this.selection) this.store.life.dispose();
  }

  /** Frees the GPU memory: what `using` calls. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

const DISPOSED = "this inversion was disposed; invert the picture again";
