// npm run bench:peers -- [--page] [--as-is] [--json] [--filter REGEXP] [--engines REGEXP] [--runs N] [--seconds N] [--threads N] [--exact]
// The same graphs with the same weights in this engine, TF.js and onnxruntime-web on one WebGPU adapter in one process,
// taking turns; and onnxruntime on the CPU, for scale. Outputs are compared before anything is timed: an engine whose output
// is off gets no time. With --page all of
// it, WebGPU engines only, in one page of headless Chromium. On a software adapter all engines are waited for in the same
// way, which leaves it the cores (src/gpu/patience.ts); with --as-is peers spin, as Dawn in Node does.
// bench/README.md says how to read it.
import { parseArgs } from "node:util";
import { openDevice } from "../../src/gpu/open-node";
import { targetOf } from "../../src/model/network";
import { peerCases } from "./cases";
import { benchInChromium } from "./chromium";
import { compareEngines, type PeerResult, type PeerWrong } from "./compare";
import type { Engine } from "./engine";
import { installNavigator } from "./navigator";
import { onnxruntimeNode, onnxruntimeNodeWebGpu, onnxruntimeWasm, onnxruntimeWebGpu } from "./onnxruntime";
import { ours } from "./ours";
import { installPeers } from "./packages";
import { tfjs } from "./tfjs";

const { values: flags } = parseArgs({
  options: {
    page: { type: "boolean", default: false },
    "as-is": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    filter: { type: "string", default: "" },
    engines: { type: "string", default: "" },
    runs: { type: "string", default: "10" },
    seconds: { type: "string", default: "30" },
    threads: { type: "string", default: "2" },
    exact: { type: "boolean", default: false },
  },
});
const precision = flags.exact ? "exact" : "fast";
const limits = { runs: Number(flags.runs), seconds: Number(flags.seconds) };
const threads = Number(flags.threads);
const peers: Readonly<Record<string, () => Promise<Engine>>> = {
  tfjs,
  "onnxruntime-webgpu": onnxruntimeWebGpu,
  "onnxruntime-wasm": () => onnxruntimeWasm(threads),
  "onnxruntime-node-webgpu": onnxruntimeNodeWebGpu,
  "onnxruntime-node": () => onnxruntimeNode(threads),
};

installPeers();
const ok = flags.page ? await inPage() : await inNode();
process.exit(ok ? 0 : 1); // threads of the peers would keep the process alive

async function inNode(): Promise<boolean> {
  const device = await openDevice();
  const removeNavigator = await installNavigator(device);
  const engines: Engine[] = [ours(device, targetOf(device, { precision }))];
  for (const [name, open] of Object.entries(peers)) {
    if (!new RegExp(flags.engines).test(name)) continue;
    try {
      engines.push(await open());
    } catch (error) {
      console.error(`bench:peers: without ${name}: ${(error as Error).message}`);
    }
  }
  print({ adapter: device.description, engines: engines.map(({ name }) => name) });
  const wait = flags["as-is"] ? undefined : <T>(promise: Promise<T>) => device.wait(promise);
  let ok = true;
  for (const testCase of peerCases.filter(({ name }) => new RegExp(flags.filter).test(name)))
    try {
      for (const result of await compareEngines(engines, testCase, limits, wait)) print(result);
    } catch (error) {
      ok = print({ failed: (error as Error).message });
    }
  removeNavigator();
  for (const { close } of engines) await close?.();
  device.destroy();
  return ok;
}

async function inPage(): Promise<boolean> {
  let ok = true;
  const { filter, engines } = flags;
  await benchInChromium({ ...limits, filter, engines, precision }, (line) => {
    ok = print(JSON.parse(line)) && ok;
  });
  return ok;
}

type Row =
  | PeerResult
  | PeerWrong
  | { readonly adapter: string; readonly engines: readonly string[] }
  | { readonly failed: string };

/** @returns whether it is good news */
function print(row: Row): boolean {
  if ("failed" in row) console.error(`bench:peers: ${row.failed}`);
  else if (flags.json) console.log(JSON.stringify(row));
  else if ("adapter" in row)
    console.log(`${row.adapter}${flags.page ? ", in Chromium" : ""}; host to host, ratios are best against best`);
  else console.log("wrong" in row ? wrongLine(row) : line(row));
  return !("failed" in row || "wrong" in row);
}

const wrongLine = ({ engine, wrong }: PeerWrong): string => `  ${engine.padEnd(38)} wrong: ${wrong}`;

function line(r: PeerResult): string {
  const head = r.ratio === 1 ? `\n${r.case}\n` : "";
  return `${head}${[
    `  ${r.engine.padEnd(38)}`,
    `${r.minMs.toFixed(2)} ms`.padStart(13),
    `median ${r.ms.toFixed(2)}`.padStart(16),
    `of ${r.runs}`.padStart(6),
    `x ${r.ratio.toFixed(2)}`.padStart(10),
    `open ${r.openMs.toFixed(0)} ms`.padStart(14),
    `first ${r.firstMs.toFixed(0)} ms`.padStart(15),
    `error ${r.relativeError.toExponential(0)}`.padStart(12),
  ].join(" ")}`;
}
