import { join } from "node:path";
import { Buffers, readBuffer } from "../../src/gpu/buffers";
import type { Device } from "../../src/gpu/device";
import { execute } from "../../src/inject/execute";
import type { RunPlan } from "../../src/inject/plan";
import { plainStep, TENSOR } from "../../src/inject/step-graphs";
import { openModelCheckpoint } from "../../src/model/checkpoint/model";
import { readSchedule } from "../../src/model/checkpoint/scheduler-config";
import { openSource } from "../../src/model/checkpoint/source-node";
import { hShape } from "../../src/model/config";
import { Network, type NetworkOptions } from "../../src/model/network";
import { allowed, compare } from "./compare";
import type { CaseResult, Values } from "./kernels";

/** A run of diffusers' DDIM schedulers over a UNet2DModel. */
export interface RunManifest {
  readonly case: string;
  readonly checkpoint: string;
  readonly scheduler_config: Readonly<Record<string, unknown>>;
  readonly class_labels: readonly number[] | null;
  readonly steps: readonly {
    readonly phase: "inv" | "gen";
    readonly step: number;
    readonly t_model: number;
    readonly from: number;
    readonly to: number;
    readonly noise_floor_max_abs: { readonly x: number; readonly h: number };
  }[];
}

/** A run may leave upstream's by this many times the step's own floor of f32 against f64. */
const FLOORS = 20;

/** Inverts and generates as diffusers does, step after step, and compares x, h and the output of each. */
export async function* runDiffusersRun(
  folder: string,
  manifest: RunManifest,
  tensors: ReadonlyMap<string, Values>,
  device: Device,
  options: NetworkOptions,
): AsyncGenerator<CaseResult> {
  const checkpoint = await openModelCheckpoint(await openSource(join(folder, manifest.checkpoint)));
  const network = await Network.load(checkpoint, device, { precision: "exact", ...options });
  try {
    const schedule = readSchedule({ _class_name: "DDIMScheduler", ...manifest.scheduler_config }, "scheduler_config");
    const net = network.unet(1);
    const clean = schedule.finalAlphaOne ? "one" : "first";
    const x = net.graph.inputs.x!.shape;
    const h = [1, ...hShape(network.config)];
    const out = [1, network.config.outChannels, x[2]!, x[3]!];
    const names = manifest.steps.map(({ phase, step }) => [phase, step] as const);
    const plan: RunPlan = {
      phase: "generate",
      model: network.hash,
      schedule,
      precision: "f64",
      graphs: { plain: plainStep(net, { keep: [net.h, net.eps] }) },
      ...(manifest.class_labels && { labels: manifest.class_labels }),
      given: { start: x },
      kept: Object.fromEntries(
        names.flatMap(([phase, k]) => [
          [`${phase}.x.${k}`, x],
          [`${phase}.h.${k}`, h],
          [`${phase}.out.${k}`, out],
        ]),
      ),
      state: ["x"],
      steps: manifest.steps.map(({ phase, step, t_model: t, from, to }, draw) => ({
        graph: "plain",
        t,
        samples: [{ t, from, next: to, clean, clip: schedule.clip, draw }],
        before: draw === 0 ? [{ from: "start", to: "x" }] : [],
        after: [
          { from: net.h, to: `${phase}.h.${step}` },
          { from: net.eps, to: `${phase}.out.${step}` },
          { from: TENSOR.next, to: `${phase}.x.${step}` },
          { from: TENSOR.next, to: "x" },
        ],
      })),
    };
    const start = new Buffers(device);
    try {
      start.upload("start", new Float32Array(tensors.get("x0")!.data));
      await start.ready();
      const kept = await execute(network, plan, new Map([["start", start.get("start")!]]), {});
      try {
        yield* compareSteps(device, manifest, tensors, (name) => kept.get(name)!, options);
      } finally {
        kept.destroy();
      }
    } finally {
      start.destroy();
    }
  } finally {
    network.destroy();
    checkpoint.close();
  }
}

async function* compareSteps(
  device: Device,
  { steps }: RunManifest,
  tensors: ReadonlyMap<string, Values>,
  bufferOf: (name: string) => GPUBuffer,
  options: NetworkOptions,
): AsyncGenerator<CaseResult> {
  let floor = { x: 1e-6, h: 1e-6 };
  for (const { phase, step, noise_floor_max_abs: own } of steps) {
    // Errors add up over a run, so a step is allowed the floors of those before it.
    floor = { x: Math.max(floor.x, own.x), h: Math.max(floor.h, own.h) };
    for (const [part, tolerance] of [
      ["x", floor.x],
      ["h", floor.h],
      ["out", floor.h],
    ] as const) {
      const name = `${phase}.${part}.${step}`;
      const expected = tensors.get(name)!;
      const found = new Float32Array(await readBuffer(device, bufferOf(name))).subarray(0, expected.data.length);
      yield compare(name, found, expected, allowed(FLOORS * tolerance, options), true);
    }
  }
}
