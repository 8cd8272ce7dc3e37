import { LimitError, UserError } from "../errors";
import { byteLength, type Tensor } from "../kernels/dispatch";
import type { Device } from "./device";
import { ErrorScope, isOutOfMemory } from "./error-scope";
import { USAGE } from "./usage";

const TENSOR = USAGE.STORAGE | USAGE.COPY_DST | USAGE.COPY_SRC;

/** Named buffers that are destroyed together. An allocation that fails is reported by `ready`, which every call that
 *  makes buffers awaits before it uses them. */
export class Buffers {
  readonly #byName = new Map<string, GPUBuffer>();
  readonly #errors: ErrorScope;
  /** the device's own, when these buffers were made: another after it was lost and opened again */
  readonly gpu: GPUDevice;

  constructor(readonly device: Device) {
    this.gpu = device.gpu;
    this.#errors = new ErrorScope(this.gpu, "GPU memory");
  }

  /** The buffer of this name, made on first use. New buffers are zero. @throws LimitError for more than the adapter allows */
  make(name: string, bytes: number): GPUBuffer {
    const found = this.#byName.get(name);
    if (found) return found;
    this.device.check();
    const { gpu } = this;
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    if (size > gpu.limits.maxBufferSize) throw new LimitError(name, size, gpu.limits.maxBufferSize);
    const held = this.device.heldBytes;
    const buffer = this.#errors.run(
      () => gpu.createBuffer({ label: name, size, usage: TENSOR }),
      (error) => allocationError(name, size, held, error),
    );
    this.device.heldBytes += buffer.size;
    this.#byName.set(name, buffer);
    return buffer;
  }

  makeFor(tensor: Tensor): GPUBuffer {
    return this.make(tensor.name, byteLength(tensor));
  }

  /** A buffer of this name with these contents. */
  upload(name: string, data: ArrayBufferView<ArrayBuffer>): GPUBuffer {
    const buffer = this.make(name, data.byteLength);
    this.write(buffer, 0, data);
    return buffer;
  }

  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    this.#errors.run(() => this.gpu.queue.writeBuffer(buffer, offset, data));
  }

  /** Waits for the GPU's answer to every allocation and upload so far. @throws UserError when one failed */
  async ready(): Promise<void> {
    await this.#errors.settled();
  }

  get(name: string): GPUBuffer | undefined {
    return this.#byName.get(name);
  }

  get names(): string[] {
    return [...this.#byName.keys()];
  }

  /** Hands a buffer over to `owner`, which destroys it from now on. */
  move(name: string, owner: Buffers): void {
    const buffer = this.#byName.get(name);
    if (!buffer) throw new Error(`no buffer "${name}" to hand over`);
    this.#byName.delete(name);
    owner.#byName.set(name, buffer);
  }

  get bytes(): number {
    return [...this.#byName.values()].reduce((sum, b) => sum + b.size, 0);
  }

  destroy(): void {
    this.device.heldBytes -= this.bytes;
    for (const buffer of this.#byName.values()) buffer.destroy();
    this.#byName.clear();
  }
}

/** An allocation the GPU refused: what it was for, its size, and how much is held already. */
export function allocationError(name: string, bytes: number, held: number, error: GPUError): Error {
  const reason = error.message.split("\n", 1)[0]!;
  if (!isOutOfMemory(error)) return new Error(`${name}: ${error.message}`);
  return new UserError(
    `${name}: ${bytes} bytes could not be allocated on the GPU, where this engine holds ${held} already (${reason}); use a smaller batch, fewer inversion steps or a smaller model`,
  );
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
 *  @param encoder holds work to submit before the copies; it is finished here
 *  @throws Error when that work or the copies are invalid, UserError when there is no memory to copy through */
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
  const errors = device.errors("read back");
  const staging = takeStaging(device, size, errors);
  try {
    errors.run(() => {
      for (const { buffer, offset, bytes, at } of places)
        encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
      device.gpu.queue.submit([encoder.finish()]);
    });
    const parts = places.map(({ bytes }) => bytes);
    const received = await receive(device, staging, parts, errors);
    device.staging.give(staging);
    return received;
  } catch (error) {
    staging.destroy();
    throw error;
  }
}

/** A staging buffer whose failure to be made is reported by `errors`. */
export function takeStaging(device: Device, bytes: number, errors: ErrorScope): GPUBuffer {
  const held = device.heldBytes;
  return errors.run(
    () => device.staging.take(bytes),
    (error) => allocationError("staging", bytes, held, error),
  );
}

/** Maps a staging buffer and copies its consecutive parts.
 *  @throws DeviceLostError when the device went away, which the mapping may notice a little earlier */
export async function receive(
  device: Device,
  staging: GPUBuffer,
  parts: readonly number[],
  errors: ErrorScope,
): Promise<ArrayBuffer[]> {
  const size = parts.reduce((sum, bytes) => sum + bytes, 0);
  try {
    await device.wait(staging.mapAsync(USAGE.MAP_READ, 0, size));
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    device.check();
    await errors.settled();
    throw error;
  }
  await errors.settled();
  const mapped = staging.getMappedRange(0, size);
  let at = 0;
  return parts.map((bytes) => mapped.slice(at, (at += bytes)));
}
