/** Counts GPU buffers from now on, on every device: made and not destroyed yet. */
export interface Alive {
  readonly buffers: number;
  readonly bytes: number;
  /** labels of the buffers that are alive */
  labels(): string[];
  /** Stops counting. */
  restore(): void;
}

export function countAlive(): Alive {
  const alive = new Set<GPUBuffer>();
  const { createBuffer } = GPUDevice.prototype;
  const { destroy } = GPUBuffer.prototype;
  GPUDevice.prototype.createBuffer = function (this: GPUDevice, descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    alive.add(buffer);
    return buffer;
  };
  GPUBuffer.prototype.destroy = function (this: GPUBuffer) {
    alive.delete(this);
    return destroy.call(this);
  };
  return {
    get buffers() {
      return alive.size;
    },
    get bytes() {
      return [...alive].reduce((sum, { size }) => sum + size, 0);
    },
    labels: () => [...alive].map(({ label }) => label),
    restore() {
      GPUDevice.prototype.createBuffer = createBuffer;
      GPUBuffer.prototype.destroy = destroy;
    },
  };
}
