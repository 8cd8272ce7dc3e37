// npm run bench:compile [-- --over SECONDS] [--filter REGEXP]
// How long each distinct pipeline takes to compile on this adapter: of every network and target that the tests lower, of every
// variant of a convolution at a few shapes, and of every shader that these leave out. Prints those over SECONDS (0.5), slowest
// first; of shaders whose name matches. On the software adapter the time is the processor time of this process.
import { parseArgs } from "node:util";
import { openDevice } from "../src/gpu/open-node";
import { pipelineKey } from "../src/gpu/pipelines";
import { convVariants } from "../src/kernels/conv/tuner-variants";
import { convShape } from "../src/kernels/conv/variant";
import { type Dispatch, f32 } from "../src/kernels/dispatch";
import { activation } from "../src/kernels/pointwise/activation";
import { type ConvCase, convData } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { kernelTrial } from "../test/fuzz/kernel-trials";
import { lowerings, networkConfigs, targets } from "../test/support/lowerings";

const { values: flags } = parseArgs({
  options: { over: { type: "string", default: "0.5" }, filter: { type: "string", default: "" } },
});
const filter = new RegExp(flags.filter);

const dispatches = new Map<string, { dispatch: Dispatch; from: string }>();
const add = (found: readonly Dispatch[], from: string) => {
  for (const dispatch of found.filter(({ shader }) => filter.test(shader))) {
    const key = pipelineKey(dispatch);
    if (!dispatches.has(key)) dispatches.set(key, { dispatch, from });
  }
};

const one: ConvCase = { kernel: 1, n: 2, c1: 24, c2: 8, oc: 40, h: 8, w: 8, skipN: 1, normN: 2, silu: true };
const shapes: readonly ConvCase[] = [
  one,
  { ...one, kernel: 3 },
  { ...one, kernel: 3, upsample: true },
  { ...one, kernel: 3, stride: 2, c2: 0 },
];
for (const [name, target] of Object.entries(targets)) {
  for (const [network, config] of Object.entries(await networkConfigs()))
    for (const { nodes } of lowerings(config, target))
      for (const node of nodes) add(node.dispatches, `${network}, ${name}`);
  for (const s of shapes)
    for (const variant of convVariants)
      if (variant.runs(convShape(s), target))
        add(convRun(s, convData(s), variant, target).dispatches, `${variant.name}, ${name}`);
}
// The trials of the kernels' fuzzer reach every other shader, by and by.
for (let trial = 0; trial < 1000; trial += 10)
  for (const dispatch of kernelTrial(1, trial).dispatches)
    if (![...dispatches.values()].some(({ dispatch: { shader } }) => shader === dispatch.shader))
      add([dispatch], `trial ${trial}`);
for (const kind of ["mish", "gelu", "relu"] as const)
  add(activation({ x: f32("x", 1, 64, 64, 64), y: f32("y", 1, 64, 64, 64) }, kind), kind);

using device = await openDevice();
const rows: { seconds: number; line: string }[] = [];
for (const { dispatch, from } of dispatches.values()) {
  const before = process.cpuUsage();
  const began = performance.now();
  try {
    await device.pipelines.get(dispatch);
  } catch (error) {
    rows.push({ seconds: 0, line: `${dispatch.shader} (${from}): ${(error as Error).message.split("\n")[0]}` });
    continue;
  }
  const elapsed = (performance.now() - began) / 1e3;
  const { user, system } = process.cpuUsage(before);
  const seconds = device.adapterClass === "software" ? (user + system) / 1e6 : elapsed;
  const constants = Object.entries(dispatch.constants).map(([name, value]) => `${name} ${value}`);
  const line = `${seconds.toFixed(2).padStart(7)} s  ${dispatch.shader} (${from}): ${constants.join(", ")}`;
  rows.push({ seconds, line });
  if (seconds > 2) console.error(line);
}
rows.sort((a, b) => b.seconds - a.seconds);
console.log(`${rows.length} pipelines, ${rows.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(0)} s`);
for (const { seconds, line } of rows) if (seconds === 0 || seconds > Number(flags.over)) console.log(line);
