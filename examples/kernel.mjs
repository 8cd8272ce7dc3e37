// A single kernel on your own device, between your own work:   node examples/kernel.mjs
import { openDevice } from "injectfusion";
import { f32, prepareKernels, softmax } from "injectfusion/kernels";

// In a page: const gpu = await (await navigator.gpu.requestAdapter()).requestDevice();
const device = await openDevice();
const gpu = device.gpu;

const [rows, columns] = [4, 8];
const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i));
const STORAGE = 0x80 | 0x8 | 0x4; // GPUBufferUsage.STORAGE | COPY_DST | COPY_SRC
const mine = gpu.createBuffer({ size: values.byteLength, usage: STORAGE });
gpu.queue.writeBuffer(mine, 0, values);

// The kernel as data: a name and a shape in, a dispatch out. softmax runs down each column.
const x = f32("x", 1, rows, columns);
const kernel = await prepareKernels(gpu, [softmax("softmax", x, 1, { adapterClass: "gpu" })], { x: mine });

const encoder = gpu.createCommandEncoder();
const pass = encoder.beginComputePass();
kernel.encode(pass); // your own dispatches may stand before and behind
pass.end();
const read = gpu.createBuffer({ size: values.byteLength, usage: 0x1 | 0x8 }); // MAP_READ | COPY_DST
encoder.copyBufferToBuffer(mine, 0, read, 0, values.byteLength);
gpu.queue.submit([encoder.finish()]);

await read.mapAsync(1);
const result = new Float32Array(read.getMappedRange().slice(0));
const sums = Array.from({ length: columns }, (_, c) => {
  let sum = 0;
  for (let r = 0; r < rows; r++) sum += result[r * columns + c];
  return sum.toFixed(5);
});
console.log(`columns sum to ${sums.join(" ")}`);
device.dispose();
