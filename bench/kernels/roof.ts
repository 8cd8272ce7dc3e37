import type { Device } from "../../src/gpu/device";
import type { Prepared } from "./gpu";

/** What the adapter can do at most, in plain WGSL. */
const sources = {
  /** 8 independent chains of multiply-add, all in registers: 64 a round, 128 rounds, 16384 lanes. */
  fma: `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let m = y[id.x]; let b = m + 1.0;
  var a0 = m; var a1 = m + 1.0; var a2 = m + 2.0; var a3 = m + 3.0; var a4 = m + 4.0; var a5 = m + 5.0; var a6 = m + 6.0; var a7 = m + 7.0;
  for (var i = 0u; i < 128u; i++) {
    ${"a0 = a0 * m + b; a1 = a1 * m + b; a2 = a2 * m + b; a3 = a3 * m + b; a4 = a4 * m + b; a5 = a5 * m + b; a6 = a6 * m + b; a7 = a7 * m + b;\n".repeat(8)}
  }
  y[id.x] = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7;
}`,
  /** One vec4f a lane from the first half of a buffer to the second. */
  copy: `
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x + ${2 ** 20}u] = y[id.x]; }`,
  empty: `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main() { y[0] = 1.0; }`,
};

export const roofs = {
  fma: { lanes: 16384, perLane: 64 * 128 * 2, unit: "GFLOP/s" },
  copy: { lanes: 2 ** 20, perLane: 32, unit: "GB/s" },
  empty: { lanes: 64, perLane: 0, unit: "us a dispatch" },
} as const;
export type Roof = keyof typeof roofs;

export async function prepareRoof(device: Device, roof: Roof): Promise<Prepared> {
  const { gpu } = device;
  const began = performance.now();
  const module = gpu.createShaderModule({ label: `roof: ${roof}`, code: sources[roof] });
  const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
  const buffer = gpu.createBuffer({ size: 2 ** 25, usage: GPUBufferUsage.STORAGE });
  const layout = pipeline.getBindGroupLayout(0);
  const group = gpu.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
  return {
    compileMs: performance.now() - began,
    encode(pass) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(roofs[roof].lanes / 64);
    },
    read: () => Promise.reject(new Error("a roof has no result")),
    destroy: () => buffer.destroy(),
  };
}
