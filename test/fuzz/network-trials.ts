import { randomValues } from "../../bench/random-checkpoint";
import type { Graph } from "../../src/graph/graph";
import { lower } from "../../src/graph/lower";
import { fromHalf, toHalf } from "../../src/half";
import { type StepGraph, stepOps } from "../../src/inject/ops";
import { calibratedStep, injectedStep, plainStep, type TapShape } from "../../src/inject/step-graphs";
import { type Step, stepRow } from "../../src/inject/step-table";
import { elements } from "../../src/kernels/dispatch";
import { MIX, type MixRule, STEP_FLOATS } from "../../src/kernels/step/step-row";
import { expectedTensors } from "../../src/model/checkpoint/expected";
import { LAYOUT_OF } from "../../src/model/checkpoint/layout";
import type { ModelCheckpoint } from "../../src/model/checkpoint/model";
import type { UNetConfig } from "../../src/model/config";
import type { NetworkOptions } from "../../src/model/network";
import { alphaBars, DDPM_SCHEDULE } from "../../src/model/schedule";
import { unet } from "../../src/model/unet";
import { type Chance, chance } from "./chance";
import { targets } from "./conv-trials";

/** A step of a random network, and all it reads. */
export interface NetworkTrial {
  /** All that was drawn, as JSON. */
  readonly name: string;
  readonly config: UNetConfig;
  readonly options: NetworkOptions;
  readonly checkpoint: ModelCheckpoint;
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  readonly batch: number;
  /** The step for samples picked from the batch, in this order. */
  readonly graph: (samples: number) => StepGraph;
  readonly inputs: (samples: readonly number[]) => Record<string, Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>;
  /** Tensors to compare, by name. */
  readonly outputs: readonly string[];
}

/** Multiply-adds of a step of one sample, and weights, at most: the reference is slow. */
const MOST_MACS = 1e7;
const MOST_WEIGHTS = 1e6;

export function networkTrial(seed: number, trial: number): NetworkTrial {
  const c = chance(seed, trial);
  const options: NetworkOptions = {
    dtype: c.one(["f32", "f32", "f16"] as const),
    precision: c.one(["fast", "exact"] as const),
  };
  for (;;) {
    const config = configOf(c);
    const batch = c.whole(1, 3);
    const kind = c.one(["plain", "injected", "calibrated"] as const);
    const shapes = expectedTensors(config);
    const parameters = [...shapes.values()].reduce((sum, shape) => sum + elements({ shape }), 0);
    if (parameters > MOST_WEIGHTS) continue; // before it is lowered, which takes longer
    const net = unet(config, batch);
    const at = tapOf(c, net.graph, net.h, options);
    const contents = Array.from({ length: c.whole(1, 2) }, () => ({ masked: c.once(2) }));
    const spec = { tap: at.tap, contents, omegaRegions: c.one([0, 0, 1, 2]) };
    const graph = (samples: number): StepGraph => {
      const net = unet(config, samples);
      if (kind === "plain") return plainStep(net, { keep: [net.eps, net.h] });
      const step = (kind === "injected" ? injectedStep : calibratedStep)(net, spec, at.shape);
      return { ...step, outputs: [...step.outputs, net.eps] };
    };
    const { nodes } = lower(graph(batch), targets("f32")[0]!, stepOps);
    const macs = nodes.reduce((sum, node) => sum + node.macs, 0);
    if (macs > MOST_MACS) continue;
    const weights = new Map(
      [...shapes].map(([key, shape], i) => [key, halves(randomValues(trial * 1000 + i, key, shape))]),
    );
    const steps = Array.from({ length: batch }, (_, stream) => stepOf(c, stream, contents.length, seed));
    return {
      name: JSON.stringify({ ...options, batch, kind, ...(kind !== "plain" && spec), ...config }),
      config,
      options,
      checkpoint: checkpointOf(config, weights),
      weights,
      batch,
      graph,
      inputs: inputsOf(c, graph(batch), steps, config.classes),
      outputs: ["x_next", ...(kind === "plain" ? [net.eps, net.h] : [net.eps])],
    };
  }
}

/** What f16 holds as well, so that one reference serves both. */
const halves = (values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> =>
  Float32Array.from(fromHalf(toHalf(values)));

function configOf(c: Chance): UNetConfig {
  const levels = c.whole(1, 4);
  const channels = c.one([() => 16 * c.whole(1, 6), () => 4 * c.whole(4, 24), () => c.whole(16, 96)])();
  const mults = [1, 1, 2, 3, 4, ...(channels % 2 === 0 ? [1.5] : [])];
  const channelMult = Array.from({ length: levels }, () => c.one(mults));
  const some = (n: number) => channelMult.flatMap((_, level) => (c.once(n) ? [level] : []));
  const resampled = (n: number) => some(n).filter((level) => level < levels - 1);
  const divisors = (of: number) => Array.from({ length: of }, (_, i) => i + 1).filter((d) => of % d === 0);
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  const widths = channelMult.map((m) => channels * m);
  const all = divisors(widths.reduce(common, channels));
  const groups = c.one(all.filter((d) => d <= 32).slice(-3));
  const side = () => c.one([() => c.whole(1, 5), () => 2 ** c.whole(0, 4), () => c.whole(1, 20)])();
  const [high, wide] = [side(), side()];
  const shared = {
    height: 2 ** (levels - 1) * high,
    width: 2 ** (levels - 1) * c.one([high, wide]),
    inChannels: 3,
    channels,
    channelMult,
    resBlocks: c.whole(1, 3),
    attention: some(3),
    groups,
    headChannels: 0,
    heads: c.one(all),
    scaleShift: c.once(2),
    convResample: c.once(2),
    classes: c.once(4) ? c.whole(1, 10) : 0,
  };
  if (c.once(2))
    return {
      ...shared,
      family: "adm",
      outChannels: c.one([3, 6]),
      eps: 1e-5,
      qkvOrder: c.one(["legacy", "new"] as const),
      resblockUpdown: c.once(2),
    };
  return {
    ...shared,
    family: "ddpm",
    outChannels: 3,
    eps: 1e-6,
    upAttention: some(3),
    midAttention: !c.once(4),
    midGroups: c.one([groups, groups, 0]),
    qkvRows: "channels",
    resDown: resampled(4),
    resUp: resampled(4),
    pad: c.one(["asymmetric", "same"] as const),
    embedding: { order: c.one(["sin-cos", "cos-sin"] as const), shift: c.one([0, 1]) },
    embeddingChannels: c.one([4 * channels, c.whole(8, 200)]),
    activation: c.one(["silu", "silu", "silu", "mish", "gelu", "relu"] as const),
    midScale: c.one([1, 1, Math.SQRT2]),
    centerInput: c.once(4),
    classEmbedding: "table",
  };
}

/** Mostly the bottleneck; else the output of any block. */
function tapOf(c: Chance, graph: Graph, h: string, options: NetworkOptions): { tap: string; shape: TapShape } {
  const { nodes } = lower(graph as StepGraph, targets(options.dtype!)[0]!, stepOps);
  const bottleneck = nodes.find(({ output }) => output.name === h)!;
  const blocks = nodes.filter(
    ({ name, output }) => name !== output.name && output.shape.length === 4 && output.name !== "eps",
  );
  const node = c.once(4) ? c.one([bottleneck, ...blocks]) : bottleneck;
  return { tap: node.output.name, shape: node.output.shape.slice(1) as unknown as TapShape };
}

function stepOf(c: Chance, stream: number, contents: number, seed: number): Step {
  const t = c.whole(100, 999);
  return {
    t,
    next: c.whole(-1, t - 1),
    eta: c.one([0, 0, 1]),
    gammas: Array.from({ length: contents }, () => c.one([0, 0.3, 0.7])),
    rules: Array.from({ length: contents }, () => c.one(Object.keys(MIX) as MixRule[])),
    omega: c.one([0, 0.3, 1]),
    rescale: c.once(2),
    seed,
    stream,
    draw: c.whole(0, 99),
  };
}

function inputsOf(c: Chance, graph: StepGraph, steps: readonly Step[], classes: number): NetworkTrial["inputs"] {
  const shared = new Set(
    Object.keys(graph.inputs).filter((name) => name.startsWith("mask") || name.startsWith("omega")),
  );
  const bars = alphaBars("f64");
  const rows = new Float32Array(steps.length * STEP_FLOATS);
  const words = new Uint8Array(rows.buffer);
  for (const [n, step] of steps.entries()) words.set(new Uint8Array(stepRow(step, bars).buffer), n * STEP_FLOATS * 4);
  const all = new Map<string, Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>();
  for (const [name, { shape }] of Object.entries(graph.inputs)) {
    const values = c.values(elements({ shape }));
    all.set(name, shared.has(name) ? values.map(Math.abs) : values.map((v) => 1.7 * v)); // near unit variance
  }
  all.set("steps", rows);
  if (classes > 0)
    all.set(
      "labels",
      Uint32Array.from(steps, () => c.whole(0, classes - 1)),
    );
  return (samples) =>
    Object.fromEntries(
      [...all].map(([name, values]) => [name, shared.has(name) ? values : picked(values, steps.length, samples)]),
    );
}

/** Samples of an array that holds `count` of them; by their bytes, for the step rows hold words. */
function picked<T extends Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(
  values: T,
  count: number,
  samples: readonly number[],
): T {
  const length = values.byteLength / count;
  const out = new Uint8Array(length * samples.length);
  const from = new Uint8Array(values.buffer);
  for (const [i, n] of samples.entries()) out.set(from.subarray(n * length, (n + 1) * length), i * length);
  return new (values.constructor as new (buffer: ArrayBuffer) => T)(out.buffer);
}

function checkpointOf(config: UNetConfig, weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>): ModelCheckpoint {
  return {
    file: "random",
    container: "safetensors",
    layout: LAYOUT_OF[config.family],
    config,
    schedule: DDPM_SCHEDULE,
    from: {},
    tensors: new Map([...expectedTensors(config)].map(([key, shape]) => [key, { dtype: "F32" as const, shape }])),
    metadata: {},
    wrapper: "",
    ignored: [],
    surplus: [],
    read: async (key) => weights.get(key)!.slice(),
    close() {},
  };
}
