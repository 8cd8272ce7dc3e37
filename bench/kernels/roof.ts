import type { Device } from "../../src/gpu/device";
import type { Prepared } from "./gpu";

/** Lane of a grid that folds into two dimensions. */
const lane = `@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * 64u + local;`;

/** Shaders that reach the adapter's limits, in plain WGSL, by the lanes that run them. */
const sources: Record<Roof, (lanes: number) => string> = {
  /** 8 independent chains of multiply-add, all in registers: 64 a round, 128 rounds. */
  fma: () => `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(${lane}
  let m = y[id]; let b = m + 1.0;
  var a0 = m; var a1 = m + 1.0; var a2 = m + 2.0; var a3 = m + 3.0; var a4 = m + 4.0; var a5 = m + 5.0; var a6 = m + 6.0; var a7 = m + 7.0;
  for (var i = 0u; i < 128u; i++) {
    ${"a0 = a0 * m + b; a1 = a1 * m + b; a2 = a2 * m + b; a3 = a3 * m + b; a4 = a4 * m + b; a5 = a5 * m + b; a6 = a6 * m + b; a7 = a7 * m + b;\n".repeat(8)}
  }
  y[id] = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7;
}`,
  /** One vec4f a lane from the first half of a buffer to the second. */
  copy: (lanes) => `
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(64) fn main(${lane}
  y[id + ${lanes}u] = y[id];
}`,
  empty: () => `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main() { y[0] = 1.0; }`,
};

const perLane: Record<Roof, number> = { fma: 64 * 128 * 2, copy: 32, empty: 0 };

export const roofUnits = { fma: "GFLOP/s", copy: "GB/s", empty: "us a dispatch" } as const;
export type Roof = keyof typeof roofUnits;
export const roofNames = Object.keys(roofUnits) as Roof[];

export interface PreparedRoof extends Prepared {
  /** FLOPs, or bytes read and written, of one replay; 0 for an empty dispatch. */
  readonly work: number;
}

/** Enough lanes to fill the adapter, and to copy past the caches of a GPU (512 MiB where a buffer may be as large). */
function lanesOf(roof: Roof, { adapterClass, gpu: { limits } }: Device): number {
  if (roof === "empty") return 64;
  if (roof === "fma") return adapterClass === "gpu" ? 2 ** 20 : 2 ** 14;
  const largest = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize, 2 ** 29);
  return adapterClass === "gpu" ? 2 ** Math.floor(Math.log2(largest / 32)) : 2 ** 20;
}

export async function prepareRoof(device: Device, roof: Roof): Promise<PreparedRoof> {
  const { gpu } = device;
  const lanes = lanesOf(roof, device);
  const began = performance.now();
  const module = gpu.createShaderModule({ label: `roof: ${roof}`, code: sources[roof](lanes) });
  const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
  const buffer = gpu.createBuffer({ size: roof === "copy" ? lanes * 32 : lanes * 4, usage: GPUBufferUsage.STORAGE });
  const layout = pipeline.getBindGroupLayout(0);
  const group = gpu.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
  return {
    work: lanes * perLane[roof],
    compileMs: performance.now() - began,
    encode(pass) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      const groups = lanes / 64; // a power of two
      const x = Math.min(groups, 2 ** 15);
      pass.dispatchWorkgroups(x, groups / x);
    },
    read: () => Promise.reject(new Error("a roof has no result")),
    destroy: () => buffer.destroy(),
  };
}
