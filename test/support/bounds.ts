import { create, globals } from "webgpu";
import type { Device } from "../../src/gpu/device";
import { openDevice } from "../../src/gpu/open-node";

/** Makes the shaders of a device report every index past the end of a storage or workgroup array; all else works as before. The
 *  software adapter runs without bounds checks (see src/gpu/open-node.ts), so kernels must not need them, not even for
 *  values they throw away.
 *  @param gpu needs one storage buffer a shader more than the kernels, in a second bind group
 *  @returns how many accesses were outside since the last call */
export function watchBounds(gpu: GPUDevice): () => Promise<number> {
  const counter = gpu.createBuffer({ size: 4, usage: STORAGE | COPY_SRC | COPY_DST });
  const layout = gpu.createBindGroupLayout({ entries: [{ binding: 0, visibility: 4, buffer: { type: "storage" } }] });
  const group = gpu.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: counter } }] });

  override(gpu, "createShaderModule", (make) => (d) => make({ ...d, code: reporting(d.code) }));
  override(
    gpu,
    "createPipelineLayout",
    (make) => (d) => make({ ...d, bindGroupLayouts: [...d.bindGroupLayouts, layout] }),
  );
  override(gpu, "createCommandEncoder", (make) => (d) => {
    const encoder = make(d);
    override(encoder, "beginComputePass", (begin) => (passDescriptor) => {
      const pass = begin(passDescriptor);
      pass.setBindGroup(1, group);
      return pass;
    });
    return encoder;
  });

  return async () => {
    const staging = gpu.createBuffer({ size: 4, usage: MAP_READ | COPY_DST });
    const encoder = gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(counter, 0, staging, 0, 4);
    encoder.clearBuffer(counter);
    gpu.queue.submit([encoder.finish()]);
    await staging.mapAsync(1 /* READ */);
    const [count] = new Uint32Array(staging.getMappedRange().slice(0));
    staging.destroy();
    return count!;
  };
}

const [MAP_READ, COPY_SRC, COPY_DST, STORAGE] = [0x1, 0x4, 0x8, 0x80];

function override<T extends object, K extends keyof T & string>(
  target: T,
  key: K,
  wrap: (original: T[K]) => T[K],
): void {
  const original = (target[key] as (...args: unknown[]) => unknown).bind(target);
  Object.defineProperty(target, key, { configurable: true, value: wrap(original as T[K]) });
}

/** WGSL in which `array[i]` of every storage array reads `array[index_(i, arrayLength(&array))]`, and likewise of every
 *  workgroup array, whose length is in the text. */
export function reporting(code: string): string {
  const bare = code.replace(/\/\/.*$/gm, "");
  const stored = [...bare.matchAll(/var<storage[^>]*>\s*(\w+)\s*:\s*array</g)];
  const shared = [...bare.matchAll(/var<workgroup>\s*(\w+)\s*:\s*array<\w+,\s*([^;]+)>;/g)];
  const lengths = new Map([
    ...stored.map(([, name]) => [name!, `arrayLength(&${name})`] as const),
    ...shared.map(([, name, length]) => [name!, `u32(${length})`] as const),
  ]);
  const directives = /^(?:\s*(?:enable [^;]*;|diagnostic\([^;]*;))*/.exec(bare)![0];
  let checked = bare.slice(directives.length);
  for (const [array, length] of lengths) checked = checkIndices(checked, array, length);
  return `${directives}
@group(1) @binding(0) var<storage, read_write> outside_: array<atomic<u32>, 1>;
fn index_(i: u32, length: u32) -> u32 {
  if (i >= length) { atomicAdd(&outside_[0], 1u); }
  return i;
}
${checked}`;
}

function checkIndices(code: string, array: string, length: string): string {
  const start = new RegExp(`(?<![\\w.])${array}\\[`).exec(code);
  if (!start) return code;
  const from = start.index + start[0].length;
  let to = from;
  for (let depth = 1; depth > 0; to++) depth += code[to] === "[" ? 1 : code[to] === "]" ? -1 : 0;
  const index = checkIndices(code.slice(from, to - 1), array, length);
  return `${code.slice(0, from)}index_(u32(${index}), ${length})]${checkIndices(code.slice(to), array, length)}`;
}

/** A device on the adapter that is at hand, with bounds checks on and its accesses watched. `testDevice` or `openDevice` has
 *  to make a software adapter known first. */
export async function openWatched(): Promise<{ device: Device; outside: () => Promise<number> }> {
  Object.assign(globalThis, globals);
  instance ??= create(["enable-dawn-features=allow_unsafe_apis"]);
  const adapter = (await instance.requestAdapter())!;
  const requiredFeatures = (["subgroups", "shader-f16"] as GPUFeatureName[]).filter((f) => adapter.features.has(f));
  const { maxStorageBuffersPerShaderStage } = adapter.limits;
  const gpu = await adapter.requestDevice({ requiredFeatures, requiredLimits: { maxStorageBuffersPerShaderStage } });
  const outside = watchBounds(gpu);
  return { device: await openDevice({ device: gpu }), outside };
}

/** Dawn, for the life of the process: see src/gpu/open-node.ts. */
let instance: GPU | undefined;
