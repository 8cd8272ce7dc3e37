import { readBuffer } from "../../src/gpu/buffers";
import type { Device } from "../../src/gpu/device";
import { bindDispatches, encodeDispatches } from "../../src/gpu/encode";
import type { Replay } from "../../src/gpu/stopwatch";
import { byteLength, type Dispatch, type Tensor } from "../../src/kernels/dispatch";

export { type Replay, Stopwatch } from "../../src/gpu/stopwatch";

/** Dispatches ready to be replayed: pipelines compiled, buffers filled, bind groups made. */
export interface Prepared extends Replay {
  read(tensor: Tensor): Promise<Float32Array>;
  destroy(): void;
  /** Time to compile the pipelines not compiled before. */
  readonly compileMs: number;
}

export async function prepare(
  device: Device,
  dispatches: readonly Dispatch[],
  inputs: ReadonlyMap<Tensor, ArrayBufferView<ArrayBuffer>>,
): Promise<Prepared> {
  const { gpu } = device;
  const began = performance.now();
  await Promise.all(dispatches.map((d) => device.pipelines.get(d)));
  const compileMs = performance.now() - began;
  const data = new Map([...inputs].map(([t, d]) => [t.name, d]));
  const buffers = new Map<string, GPUBuffer>();
  for (const { tensor } of dispatches.flatMap((d) => d.bindings)) {
    if (buffers.has(tensor.name)) continue;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = gpu.createBuffer({ label: tensor.name, size: byteLength(tensor), usage });
    const given = data.get(tensor.name);
    if (given) gpu.queue.writeBuffer(buffer, 0, given);
    buffers.set(tensor.name, buffer);
  }
  const bound = await bindDispatches(device, dispatches, ({ name }) => ({ buffer: buffers.get(name)! }));
  return {
    compileMs,
    encode: (pass) => encodeDispatches(pass, bound),
    read: async (tensor) => new Float32Array(await readBuffer(device, buffers.get(tensor.name)!)),
    destroy() {
      for (const buffer of buffers.values()) buffer.destroy();
    },
  };
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
