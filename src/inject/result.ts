import type { Pixels } from "../api";
import { UserError } from "../errors";
import { readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import type { PictureShape } from "../model/config";
import { toPixels } from "./images";
import type { Platform } from "./platform";
import type { Store } from "./store";

/** Generated pictures, on the GPU until they are asked for. */
export class Result {
  readonly #store: Store;
  readonly #platform: Platform;

  /** @internal @param store holds `x`: f32 [count, C, H, W] in [-1, 1] */
  constructor(
    store: Store,
    platform: Platform,
    /** Channels and size of each picture. */
    readonly shape: PictureShape,
    /** Parameters of each picture, ready to be written beside it. */
    readonly parameters: readonly Readonly<Record<string, unknown>>[],
  ) {
    this.#store = store;
    this.#platform = platform;
  }

  /** The device that holds the pictures. */
  get device(): Device {
    return this.#store.device;
  }

  /** Number of pictures. */
  get count(): number {
    return this.#store.count;
  }

  /** All pictures as 8-bit RGBA. */
  toPixels(): Promise<Pixels[]> {
    return this.#during((x) => toPixels(this.device, x, this.count, this.shape));
  }

  /** Picture n as ImageData, or where the platform has none (Node), an object of the same form. */
  async toImageData(n = 0): Promise<ImageData> {
    const pixels = await this.#picture(n);
    const data = pixels.data as Uint8ClampedArray<ArrayBuffer>;
    if (typeof ImageData !== "undefined") return new ImageData(data, pixels.width, pixels.height);
    return { data, width: pixels.width, height: pixels.height, colorSpace: "srgb" } as ImageData;
  }

  /** Picture n as a PNG file, with its parameters in the file's text.
   *  @param text further text by keyword */
  async toPng(n = 0, text: Readonly<Record<string, string>> = {}): Promise<Uint8Array<ArrayBuffer>> {
    const pixels = await this.#picture(n);
    return this.#platform.encodePng(pixels, { Parameters: JSON.stringify(this.parameters[n]), ...text });
  }

  /** The values themselves: f32 [count, C, H, W], not clamped. */
  read(): Promise<Float32Array<ArrayBuffer>> {
    return this.#during(async (x) => new Float32Array(await readBuffer(this.device, x)));
  }

  async #picture(n: number): Promise<Pixels> {
    if (!Number.isInteger(n) || n < 0 || n >= this.count)
      throw new UserError(`picture ${n}: this result holds ${this.count}`);
    return (await this.toPixels())[n]!;
  }

  #during<T>(work: (x: GPUBuffer) => Promise<T>): Promise<T> {
    return this.#store.life.during(async () => work((await this.#store.buffers()).get("x")!));
  }

  /** Frees the GPU memory. */
  dispose(): void {
    this.#store.life.dispose();
  }

  /** Frees the GPU memory: what `using` calls. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
