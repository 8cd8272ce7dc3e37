/** Most bytes that a pool keeps. */
const KEPT_BYTES = 2 ** 26;

const LEAST_BYTES = 4096;

/** Mappable buffers through which results are copied back, kept for the next time: making one, mapping it for the first
 *  time and dropping it took an H100's driver a millisecond, and a copy of 512 KiB 0.2. */
export class StagingPool {
  readonly #free: GPUBuffer[] = [];
  #kept = 0;
  #closed = false;

  constructor(readonly gpu: GPUDevice) {}

  /** An unmapped buffer of at least this many bytes, and of exactly this many where it is too large to keep: MAP_READ and
   *  COPY_DST. Give it back, or destroy it. */
  take(bytes: number): GPUBuffer {
    const size = bytes > KEPT_BYTES ? bytes : Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
    const at = this.#free.findIndex((buffer) => buffer.size === size);
    if (at < 0) return this.gpu.createBuffer({ label: "staging", size, usage: 0x1 | 0x8 /* MAP_READ | COPY_DST */ });
    this.#kept -= size;
    return this.#free.splice(at, 1)[0]!;
  }

  /** Takes a mapped buffer back. */
  give(buffer: GPUBuffer): void {
    if (this.#closed || this.#kept + buffer.size > KEPT_BYTES) {
      buffer.destroy();
      return;
    }
    buffer.unmap();
    this.#kept += buffer.size;
    this.#free.push(buffer);
  }

  destroy(): void {
    this.#closed = true;
    for (const buffer of this.#free.splice(0)) buffer.destroy();
    this.#kept = 0;
  }
}
