import { Device } from "../../src/gpu/device";

/** What was written to a forgetful device: [buffer's label, offset, bytes]. */
export type Written = [label: string, offset: number, bytes: number][];

const nothing = () => ({});
const pass = { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing, end: nothing };

/** A device whose buffers hold nothing, and which computes nothing: whatever memory a load takes is the host's. */
export function forgetfulDevice(written?: Written): Device {
  const gpu = {
    limits: { maxStorageBufferBindingSize: 2 ** 30 },
    features: new Set<string>(),
    lost: new Promise<never>(() => {}),
    queue: {
      writeBuffer({ label }: { label: string }, offset: number, { byteLength }: ArrayBufferView) {
        written?.push([label, offset, byteLength]);
      },
      submit() {},
      onSubmittedWorkDone: async () => {},
    },
    createShaderModule: nothing,
    createBindGroupLayout: nothing,
    createPipelineLayout: nothing,
    createComputePipelineAsync: async () => ({}),
    createBindGroup: nothing,
    createCommandEncoder: () => ({ beginComputePass: () => pass, finish: nothing }),
    createBuffer: ({ size, label }: { size: number; label: string }) => ({ size, label, destroy() {} }),
    pushErrorScope() {},
    popErrorScope: async () => null,
  };
  return new Device(gpu as unknown as GPUDevice, { description: "a GPU" } as GPUAdapterInfo, { owned: false });
}
