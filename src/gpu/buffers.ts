import { byteLength, type Tensor } from "../kernels/dispatch";
import type { Device } from "./device";

const STORAGE = 0x80 | 0x8 | 0x4; // GPUBufferUsage.STORAGE | COPY_DST | COPY_SRC

/** Named buffers that are destroyed together. */
export class Buffers {
  readonly #byName = new Map<string, GPUBuffer>();

  constructor(readonly device: Device) {}

  /** The buffer of this name, made on first use. New buffers are zero. */
  make(name: string, bytes: number): GPUBuffer {
    let buffer = this.#byName.get(name);
    if (buffer) return buffer;
    this.device.check();
    buffer = this.device.gpu.createBuffer({ label: name, size: Math.max(4, bytes), usage: STORAGE });
    this.#byName.set(name, buffer);
    return buffer;
  }

  makeFor(tensor: Tensor): GPUBuffer {
    return this.make(tensor.name, byteLength(tensor));
  }

  get(name: string): GPUBuffer | undefined {
    return this.#byName.get(name);
  }

  get bytes(): number {
    return [...this.#byName.values()].reduce((sum, b) => sum + b.size, 0);
  }

  destroy(): void {
    for (const buffer of this.#byName.values()) buffer.destroy();
    this.#byName.clear();
  }
}

/** Bytes of a buffer to read: all from `offset` on, unless told how many. */
export interface ReadRange {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
  readonly bytes?: number;
}

/** Copies a buffer back to the host: waits for all work submitted before. */
export async function readBuffer(
  device: Device,
  buffer: GPUBuffer,
  range: Omit<ReadRange, "buffer"> = {},
): Promise<ArrayBuffer> {
  return (await readBuffers(device, [{ buffer, ...range }]))[0]!;
}

/** Copies ranges of buffers back to the host, all in one round trip.
 *  @param encoder holds work to submit before the copies; it is finished here */
export async function readBuffers(
  device: Device,
  ranges: readonly ReadRange[],
  encoder = device.gpu.createCommandEncoder(),
): Promise<ArrayBuffer[]> {
  device.check();
  let size = 0;
  const places = ranges.map(({ buffer, offset = 0, bytes = buffer.size - offset }) => {
    const at = size;
    size += bytes;
    return { buffer, offset, bytes, at };
  });
  const staging = device.staging.take(size);
  try {
    for (const { buffer, offset, bytes, at } of places) encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
    device.gpu.queue.submit([encoder.finish()]);
    return await receive(
      device,
      staging,
      places.map(({ bytes }) => bytes),
    );
  } catch (error) {
    staging.destroy();
    throw error;
  }
}

/** Copies of the parts that lie one after the other in a staging buffer, which goes back to the device's pool.
 *  @throws DeviceLostError when the device went away, of which the mapping may hear a little earlier; the staging buffer is
 *  then still the caller's */
export async function receive(device: Device, staging: GPUBuffer, parts: readonly number[]): Promise<ArrayBuffer[]> {
  const size = parts.reduce((sum, bytes) => sum + bytes, 0);
  try {
    await device.wait(staging.mapAsync(1 /* READ */, 0, size));
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    device.check();
    throw error;
  }
  const mapped = staging.getMappedRange(0, size);
  let at = 0;
  const copies = parts.map((bytes) => mapped.slice(at, (at += bytes)));
  device.staging.give(staging);
  return copies;
}
