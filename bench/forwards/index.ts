import type { Device } from "../../src/gpu/device";
import { type CompiledGraphs, planOf } from "../../src/graph/compiled";
import { type NodeTime, profile } from "../../src/graph/profile";
import { stepOps } from "../../src/inject/ops";
import type { StepKind } from "../../src/inject/plan-inject";
import type { ModelCheckpoint } from "../../src/model/checkpoint/model";
import { Network, type NetworkOptions } from "../../src/model/network";
import type { TuneResult } from "../../src/tune/tune";
import { burn } from "../kernels";
import { median, Stopwatch } from "../kernels/gpu";
import { prepareRoof } from "../kernels/roof";
import { type LoadResult, measureLoading } from "./loading";
import { feed, macsOf, outputsOf, programNames, relativeError, replayOf, stepGraphs } from "./steps";

/** From a closed file to three compiled step graphs, on a device that has compiled nothing yet. */
export interface ColdResult extends LoadResult {
  /** what tuning found for each convolution; empty where it was not asked for */
  readonly tuning: readonly TuneResult[];
  /** lowering, planning, pipelines and recording of all three */
  readonly compileMs: number;
  readonly pipelines: number;
  /** of all three together, which share their buffers, and the least the largest could do with */
  readonly plannedBytes: number;
  readonly lowerBound: number;
}

export interface ForwardResult {
  readonly network: string;
  readonly program: StepKind;
  readonly nodes: number;
  readonly dispatches: number;
  readonly gflop: number;
  /** the first run after compiling, by the host's clock */
  readonly firstMs: number;
  readonly ms: number;
  readonly minMs: number;
  readonly gflops: number;
  readonly ofRoof: number;
  /** time to plain's time, best against best, and the same of the multiply-adds */
  readonly timeRatio: number;
  readonly macRatio: number;
  /** host time to encode one step, median */
  readonly encodeMs: number;
  /** of this graph alone */
  readonly plannedBytes: number;
  readonly lowerBound: number;
  /** against the same graph with precision "exact" */
  readonly relativeError: number;
  /** time per kind of node, largest first; undefined where the adapter has no timestamps */
  readonly kinds: readonly { readonly kind: string; readonly nodes: number; readonly ms: number }[] | undefined;
  readonly times: readonly NodeTime[] | undefined;
}

/** Golden forwards hold this too. Winograd's weights in f16 are rounded once they are transformed, and tensor cores and f16
 *  arithmetic, which tuning may choose for weights in f16, round the inputs as well. */
const allowedOff = ({ dtype }: NetworkOptions): number => (dtype === "f16" ? 1e-2 : 1e-4);

/** Measures the step graphs of one network. CompiledGraphs take turns, so that all see the machine in the same state.
 *  @param device freshly opened: its first pipelines are part of what is measured
 *  @throws Error where a program is off from its exact variant: what is wrong is not timed */
export async function measureForwards(
  device: Device,
  name: string,
  checkpoint: ModelCheckpoint,
  { runs, ...options }: NetworkOptions & { runs: number },
): Promise<{ cold: ColdResult; forwards: ForwardResult[] }> {
  const { network, loading } = await measureLoading(device, name, checkpoint, options);
  const loaded = performance.now();
  const before = device.pipelines.size;
  const graphs = stepGraphs(network, 1);
  const programs = await network.compile(graphs, stepOps);
  const compiled = performance.now();
  const cold: ColdResult = {
    ...loading,
    tuning: network.tuning,
    compileMs: compiled - loaded,
    pipelines: device.pipelines.size - before,
    plannedBytes: programs.slotBytes,
    lowerBound: programs.lowerBound,
  };
  try {
    feed(device, network, programs, 1);
    const first = new Map<StepKind, { ms: number; outputs: Float32Array[] }>();
    for (const program of programNames) {
      const began = performance.now();
      const outputs = await outputsOf(device, programs, program);
      first.set(program, { ms: performance.now() - began, outputs });
    }
    const expected = await exactOutputs(device, checkpoint, options);
    const errors = programNames.map((program) =>
      Math.max(...first.get(program)!.outputs.map((values, i) => relativeError(values, expected.get(program)![i]!))),
    );
    const allowed = allowedOff(options);
    const wrong = errors.findIndex((error) => !(error <= allowed));
    if (wrong >= 0)
      throw new Error(
        `${name} ${programNames[wrong]}: off by ${errors[wrong]} from the exact variant, allowed ${allowed}`,
      );

    const { seconds, roofWork } = await takeTurns(device, programs, runs);
    const best = (program: string) => Math.min(...seconds.get(program)!);
    const roofRate = roofWork / best("roof");
    const plainMacs = macsOf(network, graphs.plain);
    const forwards: ForwardResult[] = [];
    for (const [i, program] of programNames.entries()) {
      const lowered = network.lower(graphs[program], stepOps);
      const macs = macsOf(network, graphs[program]);
      const plan = planOf(lowered, device.gpu.limits.maxBufferSize);
      const times = await profiled(device, programs, program);
      const kindOf = new Map(lowered.nodes.map((node) => [node.name, node.kind]));
      forwards.push({
        network: name,
        program,
        nodes: lowered.nodes.length,
        dispatches: lowered.nodes.reduce((sum, node) => sum + node.dispatches.length, 0),
        gflop: (2 * macs) / 1e9,
        firstMs: first.get(program)!.ms,
        ms: median(seconds.get(program)!) * 1e3,
        minMs: best(program) * 1e3,
        gflops: (2 * macs) / best(program) / 1e9,
        ofRoof: (2 * macs) / best(program) / roofRate,
        timeRatio: best(program) / best("plain"),
        macRatio: macs / plainMacs,
        encodeMs: encodeTime(device, programs, program),
        plannedBytes: plan.bytes,
        lowerBound: plan.lowerBound,
        relativeError: errors[i]!,
        kinds: times && byKind(times, (node) => kindOf.get(node)!),
        times,
      });
    }
    return { cold, forwards };
  } finally {
    programs.destroy();
    network.destroy();
  }
}

/** Outputs of every program without Winograd's rounding. */
async function exactOutputs(device: Device, checkpoint: ModelCheckpoint, options: NetworkOptions) {
  const network = await Network.load(checkpoint, device, { ...options, tune: undefined, precision: "exact" });
  const programs = await network.compile(stepGraphs(network, 1), stepOps);
  try {
    feed(device, network, programs, 1);
    const outputs = new Map<StepKind, Float32Array[]>();
    for (const program of programNames) outputs.set(program, await outputsOf(device, programs, program));
    return outputs;
  } finally {
    programs.destroy();
    network.destroy();
  }
}

/** Seconds of `runs` runs of every program and of the roof, one after another. */
async function takeTurns(device: Device, programs: CompiledGraphs, runs: number) {
  const roof = await prepareRoof(device, "fma");
  const watch = new Stopwatch(device);
  const work = [...programNames.map((p) => [p, replayOf(programs, p)] as const), ["roof", roof] as const];
  await burn(device, watch);
  const seconds = new Map<string, number[]>(work.map(([name]) => [name, []]));
  for (let run = 0; run < runs; run++)
    for (const [name, replay] of work) seconds.get(name)!.push(await watch.seconds(replay, 1));
  roof.destroy();
  return { seconds, roofWork: roof.work };
}

/** Host milliseconds to encode one step, median of ten. */
function encodeTime(device: Device, programs: CompiledGraphs, program: StepKind): number {
  const times = Array.from({ length: 10 }, () => {
    const began = performance.now();
    const encoder = device.gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    replayOf(programs, program).encode(pass);
    pass.end();
    encoder.finish();
    return performance.now() - began;
  });
  return median(times);
}

/** Best time of every node in three profiles. */
async function profiled(device: Device, programs: CompiledGraphs, program: StepKind): Promise<NodeTime[] | undefined> {
  const all: NodeTime[][] = [];
  for (let i = 0; i < 3; i++) {
    const times = await profile(device, programs.recordings[program]!);
    if (!times) return undefined;
    all.push(times);
  }
  return all[0]!.map(({ name }, i) => ({ name, ms: Math.min(...all.map((times) => times[i]!.ms)) }));
}

function byKind(times: readonly NodeTime[], kindOf: (node: string) => string) {
  const kinds = new Map<string, { kind: string; nodes: number; ms: number }>();
  for (const { name, ms } of times) {
    const kind = kindOf(name);
    const sum = kinds.get(kind) ?? { kind, nodes: 0, ms: 0 };
    kinds.set(kind, { kind, nodes: sum.nodes + 1, ms: sum.ms + ms });
  }
  return [...kinds.values()].sort((a, b) => b.ms - a.ms);
}
