// npm run bench -- [--json] [--filter REGEXP] [--runs N] [--exact] [--f16]
// Roofs of this adapter, then every kernel at the shapes that real models run, as a share of the roof of the same run.
import { parseArgs } from "node:util";
import { openDevice } from "../src/gpu/open-node";
import type { Target } from "../src/kernels/variants";
import { kernelCases, measureKernel, measureRoof } from "./kernels";
import { Stopwatch } from "./kernels/gpu";
import { type Roof, roofs } from "./kernels/roof";

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    filter: { type: "string", default: "" },
    runs: { type: "string", default: "15" },
    exact: { type: "boolean", default: false },
    f16: { type: "boolean", default: false },
    "no-subgroups": { type: "boolean", default: false },
  },
});

const device = await openDevice();
const target: Target = {
  adapterClass: device.adapterClass,
  subgroups: device.has("subgroups") && !flags["no-subgroups"],
  precision: flags.exact ? "exact" : "fast",
  weights: flags.f16 ? "f16" : "f32",
  maxBindingBytes: device.gpu.limits.maxStorageBufferBindingSize,
};
const runs = Number(flags.runs);
const print = (row: object, line: string) => console.log(flags.json ? JSON.stringify(row) : line);

print(
  { adapter: device.description, clock: new Stopwatch(device).clock, target },
  `${device.description}; ${new Stopwatch(device).clock}; best of ${runs} runs`,
);
for (const roof of Object.keys(roofs) as Roof[]) {
  const result = await measureRoof(device, roof, runs);
  print(result, `roof ${roof.padEnd(6)} ${result.best.toFixed(1)} ${result.unit} (median ${result.median.toFixed(1)})`);
}
if (!flags.json)
  console.log("case                           variant            disp.    ms   GFLOP/s  of roof  compile  error");
for (const kernel of kernelCases.filter(({ name }) => new RegExp(flags.filter).test(name))) {
  const r = await measureKernel(device, target, kernel, runs);
  print(
    r,
    [
      r.case.padEnd(30),
      r.variant.padEnd(20),
      `${r.dispatches}`.padStart(2),
      r.minMs.toFixed(3).padStart(8),
      r.gflops.toFixed(1).padStart(8),
      r.ofRoof.toFixed(2).padStart(8),
      `${r.compileMs.toFixed(0)} ms`.padStart(9),
      r.worstError.toExponential(0).padStart(7),
    ].join(" "),
  );
}
device.destroy();
