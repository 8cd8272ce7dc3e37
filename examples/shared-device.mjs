// The engine on a device that you own, beside shaders of yours:   node examples/shared-device.mjs CONTENT ORIGINAL [STEPS]
import { loadModel, openDevice } from "injectfusion";

const [content, original, steps = "50"] = process.argv.slice(2);

// Any GPUDevice will do: in a page, three.js's `renderer.backend.device` or one that you requested.
const opened = await openDevice();
const device = opened.gpu;

const model = await loadModel("portraits64", { device });
const result = await model.inject({ content, original, steps: Number(steps), stepsInversion: Number(steps) });
const [picture] = await result.toPixels();
model.dispose(); // frees the engine's buffers; the device is yours and stays

// Work of yours on the same device: the mean of the picture's bytes, by a shader.
const module = device.createShaderModule({
  code: `@group(0) @binding(0) var<storage, read> words: array<u32>;
    @group(0) @binding(1) var<storage, read_write> sum: array<atomic<u32>, 1>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      if (id.x < arrayLength(&words)) { atomicAdd(&sum[0], words[id.x] & 255u); }
    }`,
});
const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
const buffer = (size, usage) => device.createBuffer({ size, usage });
const words = buffer(picture.data.byteLength, 0x80 | 0x8); // STORAGE | COPY_DST
const sum = buffer(4, 0x80 | 0x4); // STORAGE | COPY_SRC
const read = buffer(4, 0x1 | 0x8); // MAP_READ | COPY_DST
device.queue.writeBuffer(words, 0, picture.data);
const entries = [words, sum].map((each, binding) => ({ binding, resource: { buffer: each } }));
const encoder = device.createCommandEncoder();
const pass = encoder.beginComputePass();
pass.setPipeline(pipeline);
pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
pass.dispatchWorkgroups(Math.ceil(picture.data.length / 4 / 64));
pass.end();
encoder.copyBufferToBuffer(sum, 0, read, 0, 4);
device.queue.submit([encoder.finish()]);
await read.mapAsync(1);
const [total] = new Uint32Array(read.getMappedRange().slice(0));
console.log(`mean red ${(total / (picture.width * picture.height)).toFixed(1)}`);
opened.dispose();
