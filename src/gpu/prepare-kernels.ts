import { ShapeError } from "../errors";
import { byteLength, type Dispatch, type Tensor } from "../kernels/dispatch";
import { Device, deviceFromCaller } from "./device";
import { bindDispatches, encodeDispatches } from "./encode";

/** Kernels compiled for one device and bound to buffers. */
export interface PreparedKernels {
  /** Encodes every dispatch into a compute pass, in order. The pass stays open, so your own work can surround them. */
  encode(pass: GPUComputePassEncoder): void;
  /** Buffers by tensor name: yours, and those made here. */
  readonly buffers: ReadonlyMap<string, GPUBuffer>;
  /** Frees the buffers made here; yours stay. */
  dispose(): void;
  /** Frees the buffers made here: what `using` calls. */
  [Symbol.dispose](): void;
}

const STORAGE = 0x80 | 0x8 | 0x4; // GPUBufferUsage.STORAGE | COPY_DST | COPY_SRC

/** One for each device of a caller, so that its pipelines are compiled once. */
const wrapped = new WeakMap<GPUDevice, Device>();

function deviceOf(given: GPUDevice | Device): Device {
  if (given instanceof Device) return given;
  const device = wrapped.get(given) ?? deviceFromCaller(given);
  wrapped.set(given, device);
  return device;
}

/** Compiles kernels for your own device and binds their tensors to buffers. Pipelines are kept for the device: a second
 *  call with equal kernels compiles nothing.
 *  @param given your buffers (usage STORAGE) by tensor name; a tensor without one gets a zeroed buffer of its own
 *  @throws ShapeError when a buffer is smaller than its tensor */
export async function prepareKernels(
  device: GPUDevice | Device,
  dispatches: readonly Dispatch[],
  given: Readonly<Record<string, GPUBuffer>> = {},
): Promise<PreparedKernels> {
  const on = deviceOf(device);
  const buffers = new Map<string, GPUBuffer>();
  const own: GPUBuffer[] = [];
  const bufferOf = (tensor: Tensor): GPUBuffer => {
    const { name, shape } = tensor;
    const bytes = byteLength(tensor);
    const found = buffers.get(name) ?? given[name];
    if (found && found.size < bytes)
      throw new ShapeError(`${name}: buffer of ${found.size} bytes, expected at least ${bytes} for [${shape}]`);
    const buffer = found ?? on.gpu.createBuffer({ label: name, size: bytes, usage: STORAGE });
    if (!found) own.push(buffer);
    buffers.set(name, buffer);
    return buffer;
  };
  const dispose = () => {
    for (const buffer of own.splice(0)) buffer.destroy();
  };
  try {
    const bound = await bindDispatches(on, dispatches, (tensor) => ({ buffer: bufferOf(tensor) }));
    return { buffers, encode: (pass) => encodeDispatches(pass, bound), dispose, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}
