// npm run verify:full -- --model celebahq|afhq-dog|imagenet|... [--weights FILE] [--reference FILE] [--export FILE] [--json]
//                        [--runs N]   best of so many after a first one; else 0 on a software adapter, 20 on a GPU
// One of the paper's networks at full size: a forward and an injected step at 256x256, with seconds, GFLOP/s and bytes.
// Without --weights the network is filled with seeded random numbers; --export writes those to a file, so that another
// implementation can compute the reference: x, t, eps and h, which --reference compares with.
import { parseArgs } from "node:util";
import { UserError } from "../src/errors";
import type { Device } from "../src/gpu/device";
import { encodePass } from "../src/gpu/encode";
import { openDevice } from "../src/gpu/open-node";
import { planOf } from "../src/graph/compiled";
import { replay } from "../src/graph/record";
import { stepOps } from "../src/inject/ops";
import { injectedStep, plainStep } from "../src/inject/step-graphs";
import { stepTable } from "../src/inject/step-table";
import { openContainer } from "../src/model/checkpoint/checkpoint";
import { writeFileAtomic } from "../src/model/checkpoint/file-node";
import { type ModelCheckpoint, openModelCheckpoint } from "../src/model/checkpoint/model";
import { writeSafetensors } from "../src/model/checkpoint/safetensors-writer";
import { openSource } from "../src/model/checkpoint/source-node";
import { hShape } from "../src/model/config";
import { Network } from "../src/model/network";
import { isModelPreset, type ModelPreset, modelPresets } from "../src/model/presets";
import { alphaBars } from "../src/model/schedule";
import { gaussianNoise } from "../src/reference/noise";
import { randomCheckpoint } from "./random-checkpoint";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "celebahq" },
    weights: { type: "string" },
    reference: { type: "string" },
    export: { type: "string" },
    dtype: { type: "string", default: "f32" },
    precision: { type: "string", default: "fast" },
    "plan-only": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    runs: { type: "string" },
  },
});

const T = 500;
const print = (row: Record<string, unknown>) =>
  console.log(
    flags.json
      ? JSON.stringify(row)
      : Object.entries(row)
          .map(([k, v]) => `${k}: ${v}`)
          .join("  "),
  );

async function exportWeights(path: string, checkpoint: ModelCheckpoint): Promise<void> {
  const entries = [...checkpoint.tensors].map(([name, { shape }]) => ({
    name,
    dtype: "F32" as const,
    shape,
    bytes: () => checkpoint.read(name),
  }));
  await writeFileAtomic(path, writeSafetensors(entries, { config: JSON.stringify(checkpoint.config) }));
}

/** Largest difference, and root mean square of differences over that of expected values. */
function errors(found: Float32Array, expected: Float32Array): { max: number; relative: number } {
  if (found.length !== expected.length)
    throw new UserError(`${found.length} values, the reference has ${expected.length}`);
  let max = 0;
  let off = 0;
  let size = 0;
  for (let i = 0; i < found.length; i++) {
    const d = found[i]! - expected[i]!;
    max = Math.max(max, Math.abs(d));
    off += d * d;
    size += expected[i]! ** 2;
  }
  return { max, relative: Math.sqrt(off / size) };
}

async function compareWith(path: string, network: Network): Promise<void> {
  const file = await openContainer(await openSource(path));
  const [x, t] = [await file.read("x"), await file.read("t")];
  const found = await network.forward(x, [...t]);
  const plane = network.config.height * network.config.width;
  const eps = new Float32Array(x.length);
  for (let n = 0; n < t.length; n++)
    eps.set(
      found.eps.subarray(n * network.config.outChannels * plane, (n * network.config.outChannels + 3) * plane),
      n * 3 * plane,
    );
  for (const [name, values] of [
    ["eps", eps],
    ["h", found.h],
  ] as const) {
    const { max, relative } = errors(values, await file.read(name));
    print({ compare: name, maxAbs: max.toExponential(2), relativeRms: relative.toExponential(2) });
  }
  file.close();
}

/** Seconds of work that waits for the device: of the first run, and the best of `runs` after it. */
async function time(device: Device, runs: number, work: () => void): Promise<{ first: number; best: number }> {
  const seconds: number[] = [];
  for (let i = 0; i <= runs; i++) {
    const start = performance.now();
    work();
    await device.gpu.queue.onSubmittedWorkDone();
    seconds.push((performance.now() - start) / 1000);
  }
  const [first, ...rest] = seconds as [number, ...number[]];
  return { first, best: Math.min(...(rest.length > 0 ? rest : [first])) };
}

const noise = (seed: number, count: number): Float32Array<ArrayBuffer> =>
  Float32Array.from(gaussianNoise({ seed, stream: 0, draw: 0 }, count));

async function main(): Promise<void> {
  if (!isModelPreset(flags.model))
    throw new UserError(`no model "${flags.model}"; models are ${Object.keys(modelPresets).join(", ")}`);
  const preset: ModelPreset = modelPresets[flags.model];
  const { config } = preset;
  const checkpoint = flags.weights
    ? await openModelCheckpoint(await openSource(flags.weights), { resolution: config })
    : randomCheckpoint(flags.model, config);
  if (flags.export) {
    await exportWeights(flags.export, checkpoint);
    print({ exported: flags.export });
  }
  using device = await openDevice();
  print({ model: preset.title, adapter: device.description, dtype: flags.dtype, precision: flags.precision });
  const options = { dtype: flags.dtype as "f32" | "f16", precision: flags.precision as "fast" | "exact" };
  const started = performance.now();
  if (flags["plan-only"]) return await plan(preset, device, options);
  const network = await Network.load(checkpoint, device, options);
  print({
    loaded: `${((performance.now() - started) / 1000).toFixed(1)} s`,
    parameters: network.parameters,
    weightBytes: network.weights.bytes,
  });
  if (flags.reference) await compareWith(flags.reference, network);
  const net = network.unet(1);
  const shape = hShape(config);
  const graphs = { forward: plainStep(net), injected: injectedStep(net, { contents: [{ masked: false }] }, shape) };
  for (const [name, graph] of Object.entries(graphs)) {
    const lowered = network.lower(graph, stepOps);
    const { bytes, lowerBound } = planOf(lowered, device.gpu.limits.maxBufferSize);
    const gmacs = lowered.nodes.reduce((sum, n) => sum + n.macs, 0) / 1e9;
    const compileStart = performance.now();
    const programs = await network.compile({ [name]: graph }, stepOps);
    const compile = (performance.now() - compileStart) / 1000;
    const { queue } = device.gpu;
    queue.writeBuffer(programs.bufferOf(name, "x"), 0, noise(1, 3 * config.height * config.width));
    const step = { t: T, next: T - 20, gammas: [0.3] };
    queue.writeBuffer(programs.bufferOf(name, "steps"), 0, stepTable([[step]], alphaBars()).subarray(0, 128));
    if (name === "injected") {
      const content = noise(2, shape[0] * shape[1] * shape[2]);
      queue.writeBuffer(programs.bufferOf(name, "content.0"), 0, content);
    }
    const runs = Number(flags.runs ?? (device.adapterClass === "gpu" ? 20 : 0));
    const { first, best: seconds } = await time(device, runs, () => {
      queue.submit([encodePass(device, (pass) => replay(pass, programs.recordings[name]!.nodes, 0)).finish()]);
    });
    print({
      step: name,
      seconds: seconds.toFixed(4),
      firstSeconds: first.toFixed(2),
      gflops: ((2 * gmacs) / seconds).toFixed(1),
      gmacs: gmacs.toFixed(1),
      compileSeconds: compile.toFixed(1),
      plannedBytes: bytes,
      lowerBound,
      ratio: (bytes / lowerBound).toFixed(3),
    });
    programs.destroy();
  }
  network.destroy();
}

async function plan(
  preset: ModelPreset,
  device: Device,
  options: { dtype: "f32" | "f16"; precision: "fast" | "exact" },
) {
  const { lower } = await import("../src/graph/lower");
  const { targetOf } = await import("../src/model/network");
  const { unet } = await import("../src/model/unet");
  const net = unet(preset.config, 1);
  const target = targetOf(device, options);
  const graphs = {
    forward: plainStep(net),
    injected: injectedStep(net, { contents: [{ masked: false }] }, hShape(preset.config)),
  };
  for (const [step, graph] of Object.entries(graphs)) {
    const lowered = lower(graph, target, stepOps);
    const { bytes, lowerBound } = planOf(lowered, device.gpu.limits.maxBufferSize);
    const weights = [...lowered.weights.values()].reduce(
      (sum, w) => sum + w.tensor.shape.reduce((a, b) => a * b, 1) * (w.tensor.dtype === "f16" ? 2 : 4),
      0,
    );
    print({ step, plannedBytes: bytes, lowerBound, ratio: (bytes / lowerBound).toFixed(3), weightBytes: weights });
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
});
