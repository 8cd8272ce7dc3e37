import type { Pixels } from "../api";
import { UserError } from "../errors";
import { readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { openContainer } from "../model/checkpoint/checkpoint";
import { writeSafetensors } from "../model/checkpoint/safetensors-writer";
import { memorySource } from "../model/checkpoint/source";
import { type SourcePicture, toPixels } from "./images";

/** What an inversion belongs to and how it was made. */
export interface InversionInfo {
  /** hash of the network's weights */
  readonly model: string;
  readonly steps: number;
  readonly top: number;
  readonly faithful: boolean;
  /** side of the image, and [C, H, W] of h */
  readonly side: number;
  readonly h: readonly [number, number, number];
  /** the pictures before they were placed; undefined for a tensor */
  readonly sources: readonly (SourcePicture | undefined)[];
  /** tensor after which h was kept */
  readonly tap: string;
}

/** GPU buffers shared by an inversion and its selections; destroyed when the last of them is disposed. */
class Store {
  users = 0;

  constructor(
    /** f32 [count, 3, side, side]: the placed pictures, and x_T */
    readonly images: GPUBuffer,
    readonly xT: GPUBuffer,
    /** t -> f32 [count, C, H, W] */
    readonly bank: ReadonlyMap<number, GPUBuffer>,
    readonly count: number,
  ) {}

  release(): void {
    if (--this.users > 0) return;
    this.images.destroy();
    this.xT.destroy();
    for (const buffer of this.bank.values()) buffer.destroy();
  }
}

/** One or several pictures inverted by DDIM: x_T and the bank of h, all on the GPU.   Song et al. 2021 */
export class Inversion {
  #disposed = false;

  private constructor(
    readonly device: Device,
    readonly info: InversionInfo,
    readonly store: Store,
    /** samples of the store this inversion stands for */
    readonly samples: readonly number[],
  ) {
    store.users++;
  }

  static of(
    device: Device,
    info: InversionInfo,
    buffers: { images: GPUBuffer; xT: GPUBuffer; bank: ReadonlyMap<number, GPUBuffer> },
  ): Inversion {
    const count = info.sources.length;
    const store = new Store(buffers.images, buffers.xT, buffers.bank, count);
    return new Inversion(
      device,
      info,
      store,
      Array.from({ length: count }, (_, n) => n),
    );
  }

  get count(): number {
    return this.samples.length;
  }

  /** Time steps of which h is kept, ascending. */
  get times(): number[] {
    return [...this.store.bank.keys()].sort((a, b) => a - b);
  }

  /** Some of the pictures, in any order, repeats allowed. Nothing is copied. @throws UserError for a number out of range */
  select(...indices: readonly number[]): Inversion {
    const samples = indices.map((i) => {
      const sample = this.samples[i];
      if (sample === undefined) throw new UserError(`picture ${i}: this inversion holds ${this.count}`);
      return sample;
    });
    return new Inversion(this.device, this.info, this.alive(), samples);
  }

  /** The store. @throws UserError after `dispose` */
  alive(): Store {
    if (this.#disposed) throw new UserError("this inversion was disposed; invert the picture again");
    return this.store;
  }

  /** The pictures as the network saw them: placed in the model's square. */
  async toPixels(): Promise<Pixels[]> {
    const { images, count } = this.alive();
    const all = await toPixels(this.device, images, count, this.info.side);
    return this.samples.map((n) => all[n]!);
  }

  /** x_T of every picture: f32 [count, 3, side, side]. */
  readXT(): Promise<Float32Array<ArrayBuffer>> {
    return this.#read(this.alive().xT, 3 * this.info.side ** 2);
  }

  /** h at the stored time t: f32 [count, C, H, W]. @throws UserError for a time that is not stored */
  readH(t: number): Promise<Float32Array<ArrayBuffer>> {
    const buffer = this.alive().bank.get(t);
    if (!buffer) throw new UserError(`no h is kept for t = ${t}; kept are ${this.times.join(", ")}`);
    return this.#read(buffer, this.info.h[0] * this.info.h[1] * this.info.h[2]);
  }

  async #read(buffer: GPUBuffer, perSample: number): Promise<Float32Array<ArrayBuffer>> {
    const all = new Float32Array(await readBuffer(this.device, buffer));
    const picked = new Float32Array(this.count * perSample);
    this.samples.forEach((sample, n) => {
      picked.set(all.subarray(sample * perSample, (sample + 1) * perSample), n * perSample);
    });
    return picked;
  }

  /** Everything as one safetensors file: `image`, `x_T`, `h.<t>`, and in its metadata the model's hash and parameters. */
  async save(): Promise<Uint8Array<ArrayBuffer>> {
    const { side, h } = this.info;
    const tensors = [
      {
        name: "image",
        shape: [this.count, 3, side, side],
        data: await this.#read(this.alive().images, 3 * side * side),
      },
      { name: "x_T", shape: [this.count, 3, side, side], data: await this.readXT() },
    ];
    for (const t of this.times) tensors.push({ name: `h.${t}`, shape: [this.count, ...h], data: await this.readH(t) });
    const sources = this.samples.map((n) => this.info.sources[n] ?? null);
    const metadata = { format: FORMAT, inversion: JSON.stringify({ ...this.info, sources }) };
    const entries = tensors.map(({ name, shape, data }) => ({
      name,
      dtype: "F32" as const,
      shape,
      bytes: data,
    }));
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeSafetensors(entries, metadata)) chunks.push(chunk);
    return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
  }

  /** Uploads a saved inversion. @throws UserError when it belongs to another model, or is no inversion */
  static async load(device: Device, bytes: Uint8Array, model: string, name = "inversion"): Promise<Inversion> {
    const file = await openContainer(memorySource(bytes, name));
    const info = parseInfo(file.metadata, name);
    if (info.model !== model)
      throw new UserError(
        `${name}: made with another model (${info.model.slice(0, 12)}, this one is ${model.slice(0, 12)}); invert the picture again`,
      );
    const upload = async (tensor: string, perSample: number): Promise<GPUBuffer> => {
      const values = await file.read(tensor);
      if (values.length !== perSample * info.sources.length)
        throw new UserError(
          `${name}: ${tensor} has ${values.length} values, needed ${perSample * info.sources.length}`,
        );
      const buffer = device.gpu.createBuffer({ label: tensor, size: values.byteLength, usage: 0x80 | 0x8 | 0x4 });
      device.gpu.queue.writeBuffer(buffer, 0, values);
      return buffer;
    };
    const image = 3 * info.side * info.side;
    const bank = new Map<number, GPUBuffer>();
    for (const tensor of file.tensors.keys())
      if (/^h\.\d+$/.test(tensor))
        bank.set(Number(tensor.slice(2)), await upload(tensor, info.h[0] * info.h[1] * info.h[2]));
    if (bank.size === 0) throw new UserError(`${name}: holds no h; invert the picture again`);
    return Inversion.of(device, info, { images: await upload("image", image), xT: await upload("x_T", image), bank });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.store.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const FORMAT = "injectfusion-inversion-1";

function parseInfo(metadata: Readonly<Record<string, string>>, name: string): InversionInfo {
  if (metadata.format !== FORMAT || !metadata.inversion)
    throw new UserError(`${name}: not a saved inversion; make one with --save-inversion`);
  const info = JSON.parse(metadata.inversion) as InversionInfo;
  const whole = (v: unknown): v is number => Number.isInteger(v) && (v as number) > 0;
  if (
    !whole(info.side) ||
    !Array.isArray(info.h) ||
    info.h.length !== 3 ||
    !info.h.every(whole) ||
    !Array.isArray(info.sources)
  )
    throw new UserError(`${name}: its metadata is damaged; invert the picture again`);
  return info;
}
