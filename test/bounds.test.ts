import { afterAll, beforeAll, expect, test } from "vitest";
import { readBuffer } from "../src/gpu/buffers";
import type { Device } from "../src/gpu/device";
import { openDevice } from "../src/gpu/open-node";
import { convShape } from "../src/kernels/conv/variant";
import { choose } from "../src/kernels/conv/variants";
import { type Dispatch, f32, type Tensor } from "../src/kernels/dispatch";
import { attention } from "../src/kernels/product/attention";
import { foldedAttention } from "../src/kernels/product/folded-attention";
import type { Target } from "../src/kernels/target";
import { seeded } from "../src/random";
import type { ConvCase } from "../src/reference/conv";
import { convData } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { type NetworkManifest, openNetwork, readManifest } from "./golden-runner/files";
import { openWatched, reporting } from "./support/bounds";
import { testDevice } from "./support/device";
import { type Data, runOn } from "./support/run";

let device: Device;
let outside: () => Promise<number>;

beforeAll(async () => {
  await testDevice(); // makes a software adapter known where there is no other
  ({ device, outside } = await openWatched());
});

afterAll(() => device.gpu.destroy());

test("an access outside is counted", async () => {
  const code = `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
const SIZE = 4u;
var<workgroup> part: array<f32, max(SIZE, 2u)>;
@compute @workgroup_size(1) fn main() { y[0] = x[u32(x[0]) + 8u] + x[7] + part[u32(x[1]) + 4u] + part[3]; }`;
  expect(reporting(code)).toContain("y[index_(u32(0), arrayLength(&y))] = x[index_(u32(u32(x[index_(");
  const storage = { visibility: 4 };
  const layout = device.gpu.createBindGroupLayout({
    entries: [
      { binding: 0, ...storage, buffer: { type: "read-only-storage" } },
      { binding: 1, ...storage, buffer: { type: "storage" } },
    ],
  });
  const pipeline = await device.gpu.createComputePipelineAsync({
    layout: device.gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.gpu.createShaderModule({ code }), entryPoint: "main" },
  });
  const [x, y] = [0, 1].map(() => device.gpu.createBuffer({ size: 32, usage: GPUBufferUsage.STORAGE }));
  const entries = [x!, y!].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const encoder = device.gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.gpu.createBindGroup({ layout, entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  device.gpu.queue.submit([encoder.finish()]);
  expect(await outside()).toBe(2);
  expect(await outside()).toBe(0);
});

test.each([
  ["", 7],
  ["1", 4],
])("INJECTFUSION_BOUNDS=%s: an index past the end of a binding reads %s", async (value, expected) => {
  const before = { INJECTFUSION_ADAPTER: process.env.INJECTFUSION_ADAPTER, INJECTFUSION_BOUNDS: "" };
  Object.assign(process.env, { INJECTFUSION_ADAPTER: "software", INJECTFUSION_BOUNDS: value });
  using checked = await openDevice();
  Object.assign(process.env, before);
  if (before.INJECTFUSION_ADAPTER === undefined) delete process.env.INJECTFUSION_ADAPTER;
  const { gpu } = checked;
  const code = `
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() { y[0] = x[x[0] + 4u]; }`;
  const pipeline = gpu.createComputePipeline({ layout: "auto", compute: { module: gpu.createShaderModule({ code }) } });
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [x, y] = [gpu.createBuffer({ size: 32, usage }), gpu.createBuffer({ size: 4, usage })];
  gpu.queue.writeBuffer(x, 0, Uint32Array.of(1, 2, 3, 4, 7, 7, 7, 7)); // the binding ends in the middle
  const entries = [
    { binding: 0, resource: { buffer: x, size: 16 } },
    { binding: 1, resource: { buffer: y } },
  ];
  const encoder = gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  gpu.queue.submit([encoder.finish()]);
  expect(new Uint32Array(await readBuffer(checked, y))).toEqual(Uint32Array.of(expected));
});

const conv: Record<string, ConvCase> = {
  "3x3, everything at once": {
    kernel: 3,
    n: 2,
    c1: 17,
    c2: 16,
    oc: 33,
    h: 6,
    w: 11,
    silu: true,
    skipN: 1,
    normN: 1,
    tembN: 2,
    residualN: 1,
  },
  "3x3, one pixel": { kernel: 3, n: 1, c1: 3, oc: 5, h: 1, w: 1 },
  "3x3, first": { kernel: 3, n: 1, c1: 3, oc: 32, h: 9, w: 7 },
  "3x3, last": { kernel: 3, n: 2, c1: 20, c2: 5, oc: 3, h: 9, w: 7, silu: true, skipN: 1, normN: 2 },
  "3x3, enlarged": { kernel: 3, n: 2, c1: 20, oc: 17, h: 5, w: 6, upsample: true },
  "3x3, stride 2": { kernel: 3, n: 1, c1: 5, oc: 6, h: 9, w: 7, stride: 2 },
  "1x1, shortcut of a join": { kernel: 1, n: 4, c1: 32, c2: 16, oc: 36, h: 6, w: 6, skipN: 2 },
  "1x1, a join in eights": { kernel: 1, n: 2, c1: 33, c2: 70, oc: 150, h: 4, w: 6, skipN: 1, normN: 2, residualN: 1 },
  "1x1, norm, odd plane": { kernel: 1, n: 2, c1: 33, oc: 7, h: 5, w: 7, normN: 2, residualN: 1 },
};

const software = { adapterClass: "software", maxBindingBytes: 2 ** 27 } as const;
const targets: Record<string, Target> = {
  fast: { ...software, subgroups: true, precision: "fast", weights: "f32" },
  "exact, f16": { ...software, subgroups: true, precision: "exact", weights: "f16" },
  "exact, no subgroups": { ...software, subgroups: false, precision: "exact", weights: "f32" },
  "GPU, transformed": { ...software, adapterClass: "gpu", subgroups: false, precision: "fast", weights: "f32" },
  "GPU tiles": { ...software, adapterClass: "gpu", subgroups: false, precision: "fast", weights: "f16" },
};

const attentions = [
  { n: 2, c: 24, h: 6, w: 6, heads: 2 },
  { n: 1, c: 33, h: 5, w: 7, heads: 1 },
  { n: 2, c: 80, h: 6, w: 4, heads: 2 },
];

for (const [target, t] of Object.entries(targets)) {
  const some = Object.entries(conv).filter(([name]) => target !== "GPU tiles" || /everything|odd/.test(name));
  for (const [name, s] of some)
    test(`convolution ${name} stays inside its tensors: ${target}`, async () => {
      const { dispatches, inputs, y } = convRun(s, convData(s), choose(convShape(s), t), t);
      await expectInside(dispatches, inputs, y);
    });

  test(`attention stays inside its tensors: ${target}`, async () => {
    for (const { n, c, h, w, heads } of attentions) {
      const qkv = f32("qkv", n, 3 * c, h, w);
      const y = f32("y", n, c, h, w);
      const dispatches = attention({ qkv, y }, { heads, order: "new", target: t });
      await expectInside(dispatches, new Map([[qkv, seeded(1, qkv.shape)]]), y);
    }
  });
}

test("folded attention stays inside its tensors", async () => {
  const target = targets.fast!;
  for (const [n, c, h, w] of [
    [2, 24, 8, 5],
    [1, 64, 8, 8],
  ] as const) {
    const [x, qv, y] = [f32("x", n, c, h, w), f32("qv", n, 2 * c, h, w), f32("y", n, c, h, w)];
    const norm = f32("norm", n, c, 4);
    for (const given of [undefined, norm]) {
      const inputs = new Map([x, qv, ...(given ? [given] : [])].map((t) => [t, seeded(1, t.shape)]));
      await expectInside(foldedAttention({ x, norm: given, qv, y }, target), inputs, y);
    }
  }
});

async function expectInside(dispatches: readonly Dispatch[], inputs: ReadonlyMap<Tensor, Data>, y: Tensor) {
  await runOn(device, dispatches, inputs, [y]);
  expect(await outside()).toBe(0);
}

test("a whole inversion and injection stay inside their tensors", async () => {
  const folder = new URL("./golden", import.meta.url).pathname;
  using model = await openNetwork(folder, readManifest<NetworkManifest>(folder, "ddpm_tiny_trained"), device);
  const side = model.config.height;
  const pictures = [1, 2].map((seed) => ({ tensor: seeded(seed, [3, side, side]) }));
  using pair = await model.invert(pictures, { steps: 3 });
  using result = await model.inject({
    content: pair.select(0),
    original: pair.select(1),
    steps: 3,
    tBoost: 300,
    omega: 0.3,
    mask: { values: [1, 0, 0.5, 1], width: 2, height: 2 },
  });
  await result.read();
  expect(await outside()).toBe(0);
}, 600_000);
