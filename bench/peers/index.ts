// npm run bench:peers -- [--json] [--filter REGEXP] [--engines REGEXP] [--runs N] [--seconds N] [--threads N] [--exact]
// The same graphs with the same weights in this engine, TF.js and onnxruntime-web on one WebGPU adapter in one process,
// taking turns; and onnxruntime on the CPU, for scale. Outputs are compared before anything is timed.
import { parseArgs } from "node:util";
import { openDevice } from "../../src/gpu/open-node";
import { targetOf } from "../../src/model/network";
import { peerCases } from "./cases";
import { compareEngines } from "./compare";
import type { Engine } from "./engine";
import { installNavigator } from "./navigator";
import { onnxruntimeNode, onnxruntimeWasm, onnxruntimeWebGpu } from "./onnxruntime";
import { ours } from "./ours";
import { installPeers } from "./packages";
import { tfjs } from "./tfjs";

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    filter: { type: "string", default: "" },
    engines: { type: "string", default: "" },
    runs: { type: "string", default: "10" },
    seconds: { type: "string", default: "30" },
    threads: { type: "string", default: "2" },
    exact: { type: "boolean", default: false },
  },
});
const threads = Number(flags.threads);
const peers: Readonly<Record<string, () => Promise<Engine>>> = {
  tfjs,
  "onnxruntime-webgpu": onnxruntimeWebGpu,
  "onnxruntime-wasm": () => onnxruntimeWasm(threads),
  "onnxruntime-node": () => onnxruntimeNode(threads),
};

installPeers();
const device = await openDevice();
const removeNavigator = await installNavigator();
const engines: Engine[] = [ours(device, targetOf(device, { precision: flags.exact ? "exact" : "fast" }))];
for (const [name, open] of Object.entries(peers)) {
  if (!new RegExp(flags.engines).test(name)) continue;
  try {
    engines.push(await open());
  } catch (error) {
    console.error(`bench:peers: without ${name}: ${(error as Error).message}`);
  }
}

const header = { adapter: device.description, engines: engines.map(({ name }) => name) };
console.log(flags.json ? JSON.stringify(header) : `${device.description}; host to host, ratios are best against best`);
let failed = false;
for (const testCase of peerCases.filter(({ name }) => new RegExp(flags.filter).test(name))) {
  try {
    const results = await compareEngines(engines, testCase, {
      runs: Number(flags.runs),
      seconds: Number(flags.seconds),
    });
    if (!flags.json) console.log(`\n${testCase.name}`);
    for (const r of results) console.log(flags.json ? JSON.stringify(r) : line(r));
  } catch (error) {
    failed = true;
    console.error(`bench:peers: ${(error as Error).message}`);
  }
}
removeNavigator();
for (const { close } of engines) await close?.();
device.destroy();
process.exit(failed ? 1 : 0); // threads of the peers would keep the process alive

function line(r: Awaited<ReturnType<typeof compareEngines>>[number]): string {
  return [
    `  ${r.engine.padEnd(38)}`,
    `${r.minMs.toFixed(2)} ms`.padStart(13),
    `median ${r.ms.toFixed(2)}`.padStart(16),
    `of ${r.runs}`.padStart(6),
    `x ${r.ratio.toFixed(2)}`.padStart(10),
    `open ${r.openMs.toFixed(0)} ms`.padStart(14),
    `first ${r.firstMs.toFixed(0)} ms`.padStart(15),
    `error ${r.relativeError.toExponential(0)}`.padStart(12),
  ].join(" ");
}
