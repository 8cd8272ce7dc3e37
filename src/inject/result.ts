import type { Pixels } from "../api";
import { UserError } from "../errors";
import { readBuffer } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { toPixels } from "./images";

/** Generated pictures, on the GPU until they are asked for. */
export class Result {
  #disposed = false;

  constructor(
    readonly device: Device,
    /** f32 [count, 3, side, side] in [-1, 1] */
    readonly buffer: GPUBuffer,
    readonly count: number,
    readonly side: number,
    /** what each picture was made with, ready to be written beside it */
    readonly parameters: readonly Readonly<Record<string, unknown>>[],
  ) {}

  /** All pictures as 8-bit RGBA. */
  async toPixels(): Promise<Pixels[]> {
    return toPixels(this.device, this.#alive(), this.count, this.side);
  }

  /** Picture n as ImageData, or where the platform has none (Node), an object of the same form. */
  async toImageData(n = 0): Promise<ImageData> {
    const pixels = (await this.toPixels())[n];
    if (!pixels) throw new UserError(`picture ${n}: this result holds ${this.count}`);
    const data = pixels.data as Uint8ClampedArray<ArrayBuffer>;
    if (typeof ImageData !== "undefined") return new ImageData(data, pixels.width, pixels.height);
    return { data, width: pixels.width, height: pixels.height, colorSpace: "srgb" } as ImageData;
  }

  /** The values themselves: f32 [count, 3, side, side], not clamped. */
  async read(): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array(await readBuffer(this.device, this.#alive()));
  }

  #alive(): GPUBuffer {
    if (this.#disposed) throw new UserError("this result was disposed; run again");
    return this.buffer;
  }

  dispose(): void {
    if (!this.#disposed) this.buffer.destroy();
    this.#disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
