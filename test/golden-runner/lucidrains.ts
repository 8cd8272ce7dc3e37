import { join } from "node:path";
import { UserError } from "../../src/errors";
import { Buffers, readBuffer } from "../../src/gpu/buffers";
import type { Device } from "../../src/gpu/device";
import { execute } from "../../src/inject/execute";
import type { RunPlan } from "../../src/inject/plan";
import { plainStep, TENSOR } from "../../src/inject/step-graphs";
import { type ModelCheckpoint, openModelCheckpoint } from "../../src/model/checkpoint/model";
import { openSource } from "../../src/model/checkpoint/source-node";
import { hShape } from "../../src/model/config";
import { Network, type NetworkOptions } from "../../src/model/network";
import { alphaBars, samplingSteps } from "../../src/model/schedule";
import { allowed, compare } from "./compare";
import { perPicture, recordedActivations, TOLERANCE } from "./diffusers";
import type { CaseResult, Values } from "./kernels";

/** A case of lucidrains' Unet: a Trainer's file, forwards with both sets of weights, and a DDIM run. */
export interface LucidrainsManifest {
  readonly case: string;
  readonly checkpoint: string;
  /** "refuse, ..." for networks that this engine may not have */
  readonly expect?: string;
  readonly config: {
    readonly unet: Readonly<Record<string, unknown>>;
    readonly diffusion: {
      readonly objective: string;
      readonly image_size: number | readonly [number, number];
      readonly timesteps: number;
      readonly ddim_sampling_eta: number;
    };
  };
  readonly ddim_times?: readonly number[];
  readonly ddim_rederives_noise?: boolean;
  readonly noise_floor_fp32_vs_fp64: {
    readonly ddim?: {
      readonly x_start: readonly number[];
      readonly h: readonly number[];
      readonly picture: { readonly max_abs: number };
    };
  };
}

const PREDICTION: Readonly<Record<string, string>> = {
  pred_noise: "epsilon",
  pred_x0: "sample",
  pred_v: "v_prediction",
};

/** A run may leave upstream's by this many times its own floor of f32 against f64. */
const FLOORS = 20;

export async function* runLucidrains(
  folder: string,
  manifest: LucidrainsManifest,
  tensors: ReadonlyMap<string, Values>,
  device: Device,
  options: NetworkOptions,
): AsyncGenerator<CaseResult> {
  const tolerance = allowed(TOLERANCE, options);
  const path = join(folder, manifest.checkpoint);
  const { unet, diffusion } = manifest.config;
  const size = diffusion.image_size;
  const { resnet_block_groups: groups, attn_heads: heads } = unet as Record<string, unknown>;
  const hints = {
    resolution: typeof size === "number" ? size : { height: size[0], width: size[1] },
    ...(typeof groups === "number" && { groups }),
    ...(typeof heads === "number" && { heads }),
  };
  const open = async (ema: boolean) => openModelCheckpoint(await openSource(path), { ...hints, ema });
  if (manifest.expect?.startsWith("refuse")) return yield await refused(() => open(true));
  for (const [name, ema] of [
    ["ema", true],
    ["model", false],
  ] as const) {
    const checkpoint = await open(ema);
    const network = await Network.load(checkpoint, device, { precision: "exact", ...options });
    try {
      const x = tensors.get("x")!;
      const { eps, h } = await network.forward(x.data, [...tensors.get("t")!.data]);
      yield perPicture(`${name}.out`, eps, tensors.get(`${name}.out`)!, x.shape[0]!, tolerance);
      yield perPicture(`${name}.h`, h, tensors.get(`${name}.h`)!, x.shape[0]!, tolerance);
      if (!ema) continue;
      yield* schedule(checkpoint, manifest, tensors);
      yield* recordedActivations(network, tensors, (module) => nameOf(network, module), undefined, tolerance);
      if (manifest.ddim_times) yield* ddim(network, checkpoint, manifest, tensors, options);
    } finally {
      network.destroy();
      checkpoint.close();
    }
  }
}

/** What the file tells of its diffusion process, and the formulas of the upstream schedules beside it. */
function* schedule(
  { schedule: found }: ModelCheckpoint,
  { config: { diffusion }, ddim_times: times }: LucidrainsManifest,
  tensors: ReadonlyMap<string, Values>,
): Iterable<CaseResult> {
  const is = (id: string, ok: boolean, reason: string): CaseResult => {
    const off = ok ? 0 : 1;
    return { id, ok, worstAbs: off, worstRel: off, tolerance: 0, reason };
  };
  const expected = PREDICTION[diffusion.objective]!;
  yield is("objective", found.prediction === expected, `${found.prediction}, expected ${expected}`);
  yield is("timesteps", found.trainSteps === diffusion.timesteps, `${found.trainSteps}`);
  yield compare("alphas_cumprod", Float32Array.from(alphaBars("f64", found)), tensors.get("buffer.alphas_cumprod")!, 0);
  if (times) {
    const own = samplingSteps(times.length - 1, found).map(({ t }) => t);
    yield is("ddim times", `${[...own, -1]}` === `${times}`, `${own}`);
  }
}

/** The tensor of the graph that is an upstream module's output. Attentions are recorded before the residual is added, which
 *  is inside their last node here. */
function nameOf(network: Network, module: string): string | undefined {
  if (/(?:\.2|^mid_attn)$/.test(module)) return undefined;
  const { nodes } = network.unet(1).graph;
  const output = module === "time_mlp" ? "time_mlp.3" : module;
  return nodes.some((node) => node.output === output) ? output : undefined;
}

/** GaussianDiffusion.ddim_sample, with the noise recorded. */
async function* ddim(
  network: Network,
  checkpoint: ModelCheckpoint,
  manifest: LucidrainsManifest,
  tensors: ReadonlyMap<string, Values>,
  options: NetworkOptions,
): AsyncGenerator<CaseResult> {
  const { schedule } = checkpoint;
  const net = network.unet(1);
  const x = net.graph.inputs.x!.shape;
  const h = [1, ...hShape(network.config)];
  const pairs = samplingSteps(manifest.ddim_times!.length - 1, schedule);
  const eta = manifest.config.diffusion.ddim_sampling_eta;
  const noises = pairs.flatMap((_, k) => (eta > 0 && tensors.has(`ddim.noise.${k}`) ? [k] : []));
  const graph = plainStep(net, { keep: [net.h], givenNoise: noises.length > 0 });
  const given = { x_T: x, ...Object.fromEntries(noises.map((k) => [`noise.${k}`, x])) };
  const plan: RunPlan = {
    phase: "generate",
    model: network.hash,
    schedule,
    precision: "f64",
    graphs: { plain: graph },
    given,
    kept: Object.fromEntries(
      pairs.flatMap((_, k) => [
        [`h.${k}`, h],
        [`x_start.${k}`, x],
        ["picture", x],
      ]),
    ),
    state: ["x"],
    steps: pairs.map(({ t, next }, k) => ({
      graph: "plain",
      t,
      samples: [
        {
          t,
          next,
          clip: schedule.clip,
          rederive: manifest.ddim_rederives_noise ?? true,
          eta: next < 0 ? 0 : eta,
          draw: k,
        },
      ],
      before: [
        ...(k === 0 ? [{ from: "x_T", to: "x" }] : []),
        ...(noises.includes(k) ? [{ from: `noise.${k}`, to: TENSOR.noise }] : []),
      ],
      after: [
        { from: net.h, to: `h.${k}` },
        { from: TENSOR.x0, to: `x_start.${k}` },
        { from: TENSOR.next, to: "x" },
        { from: TENSOR.next, to: "picture" },
      ],
    })),
  };
  const { device } = network;
  const start = new Buffers(device);
  const kept = await (async () => {
    try {
      start.upload("x_T", new Float32Array(tensors.get("ddim.x_T")!.data));
      for (const k of noises) start.upload(`noise.${k}`, new Float32Array(tensors.get(`ddim.noise.${k}`)!.data));
      await start.ready();
      const buffers = new Map(Object.keys(given).map((name) => [name, start.get(name)!]));
      return await execute(network, plan, buffers, {});
    } finally {
      start.destroy();
    }
  })();
  try {
    const read = async (name: string, { data }: Values) =>
      new Float32Array(await readBuffer(device, kept.get(name)!)).subarray(0, data.length);
    const floors = manifest.noise_floor_fp32_vs_fp64.ddim!;
    let floor = { x_start: 1e-6, h: 1e-6 };
    for (const k of pairs.keys()) {
      floor = { x_start: Math.max(floor.x_start, floors.x_start[k]!), h: Math.max(floor.h, floors.h[k]!) };
      for (const part of ["h", "x_start"] as const) {
        const expected = tensors.get(`ddim.${part}.${k}`)!;
        yield compare(
          `ddim.${part}.${k}`,
          await read(`${part}.${k}`, expected),
          expected,
          allowed(FLOORS * floor[part], options),
          true,
        );
      }
    }
    const expected = tensors.get("ddim.picture")!;
    const picture = (await read("picture", expected)).map((v) => (v + 1) / 2);
    yield compare("ddim.picture", picture, expected, allowed(FLOORS * floors.picture.max_abs, options), true);
  } finally {
    kept.destroy();
  }
}

async function refused(open: () => Promise<ModelCheckpoint>): Promise<CaseResult> {
  const failed = { worstAbs: Infinity, worstRel: Infinity, tolerance: 0 };
  try {
    (await open()).close();
    return { id: "refused", ok: false, ...failed, reason: "opened, but must be refused" };
  } catch (error) {
    const ok = error instanceof UserError && !error.message.includes("\n");
    return { id: "refused", ok, ...(ok ? { worstAbs: 0, worstRel: 0, tolerance: 0 } : failed), reason: String(error) };
  }
}
