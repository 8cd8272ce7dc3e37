import { ShapeError } from "../errors";
import { byteLength, type Dispatch, type Tensor } from "../kernels/dispatch";
import { PipelineCache } from "./pipelines";

/** Kernels compiled for one device and bound to buffers. */
export interface PreparedKernels {
  /** Encodes every dispatch into a compute pass, in order. The pass stays open, so your own work can surround them. */
  encode(pass: GPUComputePassEncoder): void;
  /** Buffers by tensor name: yours, and those made here. */
  readonly buffers: ReadonlyMap<string, GPUBuffer>;
  /** Frees the buffers made here; yours stay. */
  dispose(): void;
  [Symbol.dispose](): void;
}

const STORAGE = 0x80 | 0x8 | 0x4; // GPUBufferUsage.STORAGE | COPY_DST | COPY_SRC

const caches = new WeakMap<GPUDevice, PipelineCache>();

/** Compiles kernels for your own device and binds their tensors to buffers. Pipelines are kept for the device, so a
 *  second call with equal kernels compiles nothing.
 *  @param given your buffers (usage STORAGE) by tensor name; a tensor without one gets a zeroed buffer of its own
 *  @throws ShapeError when a buffer is smaller than its tensor */
export async function prepareKernels(
  device: GPUDevice,
  dispatches: readonly Dispatch[],
  given: Readonly<Record<string, GPUBuffer>> = {},
): Promise<PreparedKernels> {
  const cache = caches.get(device) ?? new PipelineCache(device);
  caches.set(device, cache);
  const buffers = new Map<string, GPUBuffer>();
  const own: GPUBuffer[] = [];
  const bufferOf = (tensor: Tensor): GPUBuffer => {
    const { name } = tensor;
    const found = buffers.get(name) ?? given[name];
    if (found && found.size < byteLength(tensor))
      throw new ShapeError(`${name}: buffer of ${found.size} bytes, expected ${byteLength(tensor)} for [${tensor.shape}]`);
    const buffer = found ?? device.createBuffer({ label: name, size: byteLength(tensor), usage: STORAGE });
    if (!found) own.push(buffer);
    buffers.set(name, buffer);
    return buffer;
  };
  const prepared = await Promise.all(dispatches.map((dispatch) => cache.get(dispatch)));
  const recorded = dispatches.map(({ bindings, workgroups }, i) => {
    const { pipeline, bind } = prepared[i]!;
    const bindGroup = bind(bindings.map(({ tensor }) => ({ buffer: bufferOf(tensor), size: byteLength(tensor) })));
    return { pipeline, bindGroup, workgroups, offsets: bindings.filter(({ access }) => access === "step").map(() => 0) };
  });
  const dispose = () => {
    for (const buffer of own.splice(0)) buffer.destroy();
  };
  return {
    buffers,
    encode(pass) {
      for (const { pipeline, bindGroup, workgroups, offsets } of recorded) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup, offsets);
        pass.dispatchWorkgroups(...workgroups);
      }
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}
