import { UserError } from "../errors";
import { Buffers, readBuffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { encodePass } from "../gpu/encode";
import { Turns } from "../gpu/patience";
import { type CompiledGraphs, compile, planPatiently } from "../graph/compiled";
import type { Graph, Operation } from "../graph/graph";
import { type Lowered, lower, type Ops } from "../graph/lower";
import type { BufferPlan } from "../graph/plan";
import { replay } from "../graph/record";
import { STEP, STEP_FLOATS } from "../kernels/step/step-row";
import type { Target } from "../kernels/target";
import { memoryStore, type TuneStore } from "../tune/store";
import type { TuneResult } from "../tune/tune";
import type { HalfReport } from "./checkpoint/f16";
import type { ModelCheckpoint } from "./checkpoint/model";
import { hShape, isConditional, type UNetConfig } from "./config";
import { type NetworkOp, networkOps } from "./ops";
import type { Schedule } from "./schedule";
import { INPUT, type UNet, unet } from "./unet";
import { identify, upload } from "./upload";

export interface NetworkOptions {
  /** How the weights of convolutions and linear layers are stored on the GPU; arithmetic is f32 either way. f16 is half
   *  the bytes. A weight that f16 would damage stays f32: see `WeightStorage`. On a software adapter f16 is slower, as it
   *  does without Winograd. "fast" rounds the weights of Winograd on a GPU, 1e-3 off; "exact" rounds nothing else. */
  readonly dtype?: "f32" | "f16";
  /** How the tensors that layers exchange are stored on the GPU; arithmetic is f32 either way, and so are h where it is kept,
   *  the prediction and the pictures. f16 is half the bytes, and rounds each to 11 bits; it needs the WebGPU feature
   *  `shader-f16`. Values beyond 65,504 become infinities, which end the run with an error. Default: f32; no GPU has timed
   *  f16 yet. */
  readonly activations?: "f32" | "f16";
  /** "fast" lets 3x3 convs use Winograd F(4,3) (error 2e-5 of the output's scale), "exact" does not (1e-6). */
  readonly precision?: "fast" | "exact";
  /** "quick" times three to six variants of each convolution on this device when the network is loaded, each only after
   *  its results are checked, and uses the fastest; winners are remembered per adapter. Default: chosen by kind of adapter. */
  readonly tune?: "quick" | undefined;
  /** Where winners are remembered; default: nowhere beyond this network. */
  readonly tuneStore?: TuneStore | undefined;
  /** Called after each kind of convolution that was timed. */
  readonly onTuned?: ((done: number, all: number) => void) | undefined;
  readonly signal?: AbortSignal;
}

/** How a network's weights lie on the GPU. */
export interface WeightStorage {
  readonly dtype: "f32" | "f16";
  readonly bytes: number;
  /** f16: what rounding did to each weight in which values became zero, and to those that stay f32 (not `safe`). By
   *  packed name: one or more checkpoint tensors. */
  readonly notes: Readonly<Record<string, HalfReport>>;
}

/** eps and h of one evaluation, on the host. */
export interface Evaluation {
  /** f32 [N, outChannels, side, side]: eps in the first 3 channels */
  readonly eps: Float32Array;
  /** f32 [N, C, side/2^L, side/2^L]: the bottleneck */
  readonly h: Float32Array;
}

interface PlannedGraph {
  readonly lowered: Lowered;
  readonly plan: BufferPlan;
}

/** Graphs whose plans a network remembers. */
const MOST_PLANNED = 12;

/** A U-Net with its weights on the GPU. */
export class Network {
  /** by the graph's text, the least recently used first */
  readonly #planned = new Map<string, PlannedGraph>();
  /** by batch */
  readonly #forwards = new Map<number, Promise<CompiledGraphs>>();

  private constructor(
    readonly device: Device,
    readonly config: UNetConfig,
    readonly schedule: Schedule,
    readonly target: Target,
    readonly weights: Buffers,
    /** SHA-256 over the weights' values, the configuration and the schedule in hexadecimal: which network this is, whatever
     *  file it came in */
    readonly hash: string,
    readonly parameters: number,
    readonly storage: WeightStorage,
    /** Results of tuning, where it was asked for. */
    readonly tuning: readonly TuneResult[] = [],
  ) {}

  /** Streams a checkpoint to the GPU, tensor by tensor.
   *  @param known the target of this network on another device like this one, so that both compute the same bits
   *  @throws UserError when a weight does not fit the device, or the file is damaged */
  static async load(
    checkpoint: ModelCheckpoint,
    device: Device,
    options: NetworkOptions = {},
    known?: Target,
  ): Promise<Network> {
    const { config } = checkpoint;
    const { graph } = unet(config, 1);
    const { target, results } = known ? { target: known, results: [] } : await tunedTarget(device, graph, options);
    // Attention that is tapped within needs its projections one by one, and so does any with weights in f16.
    const whole = (weights = target.weights) => lower(graph, { ...target, weights, folds: false }, networkOps).weights;
    const stored = new Map([...whole(), ...lower(graph, target, networkOps).weights]);
    const full = target.weights === "f16" ? whole("f32") : stored;
    const buffers = new Buffers(device);
    try {
      const { hash, notes } = await upload(checkpoint, stored, full, buffers, options.signal);
      const parameters = [...checkpoint.tensors.values()].reduce(
        (sum, t) => sum + t.shape.reduce((a, b) => a * b, 1),
        0,
      );
      const storage = { dtype: target.weights, bytes: buffers.bytes, notes };
      return new Network(device, config, checkpoint.schedule, target, buffers, hash, parameters, storage, results);
    } catch (error) {
      buffers.destroy();
      throw error;
    }
  }

  /** Identifies the weights of a checkpoint, without a device. @returns what `hash` is once it is loaded */
  static identify(checkpoint: ModelCheckpoint, signal?: AbortSignal): Promise<string> {
    // the names of the weights are the same on every device
    const target = { adapterClass: "software", subgroups: false, precision: "exact", weights: "f32" } as const;
    const lowered = lower(unet(checkpoint.config, 1).graph, { ...target, maxBindingBytes: 2 ** 27 }, networkOps);
    return identify(checkpoint, lowered.weights, signal);
  }

  unet(batch: number): UNet {
    return unet(this.config, batch);
  }

  /** Lowers a graph of this network, which may hold more operations than the network's own. */
  lower<O extends Operation>(graph: Graph<O>, ops: Ops<O>): Lowered {
    const { notes } = this.storage;
    return lower(graph, this.target, ops, new Set(Object.keys(notes).filter((name) => !notes[name]!.safe)));
  }

  /** Compiles graphs of this network into programs that share its weights.
   *  @param given buffers of graph inputs that exist already
   *  @throws the signal's reason when it is aborted meanwhile */
  async compile<O extends Operation>(
    graphs: Readonly<Record<string, Graph<O>>>,
    ops: Ops<O>,
    given: (name: string) => GPUBuffer | undefined = () => undefined,
    signal?: AbortSignal,
  ): Promise<CompiledGraphs> {
    const lowered: Record<string, Lowered> = {};
    const plans: Record<string, BufferPlan> = {};
    for (const [name, graph] of Object.entries(graphs)) {
      const known = await this.#plan(graph, ops, signal);
      lowered[name] = known.lowered;
      plans[name] = known.plan;
    }
    return compile(this.device, lowered, (name) => this.weights.get(name) ?? given(name), signal, plans);
  }

  /** Lowers and plans a graph, or takes it from the last graphs: a run has the graphs of the run before more often than
   *  not, and planning takes as long as some steps. */
  async #plan<O extends Operation>(graph: Graph<O>, ops: Ops<O>, signal?: AbortSignal): Promise<PlannedGraph> {
    const key = JSON.stringify(graph);
    let known = this.#planned.get(key);
    this.#planned.delete(key);
    if (!known) {
      await new Turns(signal).give();
      const lowered = this.lower(graph, ops);
      known = { lowered, plan: await planPatiently(this.device, lowered, signal) };
    }
    this.#planned.set(key, known); // as the latest
    for (const oldest of this.#planned.keys()) {
      if (this.#planned.size <= MOST_PLANNED) break;
      this.#planned.delete(oldest);
    }
    return known;
  }

  /** One evaluation: eps and h of x at time step t.
   *  @param x f32 [N, 3, side, side] in [-1, 1] plus noise
   *  @param t one time step for all samples, or one each
   *  @param labels class of each sample, for class-conditional networks
   *  @throws UserError if x is no whole number of images, or t is no number from 0 */
  async forward(x: Float32Array, t: number | readonly number[], labels?: readonly number[]): Promise<Evaluation> {
    const { inChannels, outChannels } = this.config;
    const plane = this.config.height * this.config.width;
    const batch = x.length / (inChannels * plane);
    if (!Number.isInteger(batch) || batch < 1)
      throw new UserError(
        `x has ${x.length} values; expected a multiple of ${inChannels}x${this.config.height}x${this.config.width}`,
      );
    const times = typeof t === "number" ? Array<number>(batch).fill(t) : t;
    if (times.length !== batch) throw new UserError(`${times.length} time steps for ${batch} images`);
    const bad = times.find((time) => !(time >= 0 && time < Infinity));
    if (bad !== undefined) throw new UserError(`time step ${bad}: expected a number from 0`);
    const programs = await this.#forward(batch);
    const { gpu } = this.device;
    gpu.queue.writeBuffer(programs.bufferOf("forward", INPUT.x), 0, new Float32Array(x));
    const rows = new Float32Array(batch * STEP_FLOATS);
    times.forEach((time, n) => {
      rows[n * STEP_FLOATS + STEP.T] = time;
    });
    gpu.queue.writeBuffer(programs.bufferOf("forward", INPUT.steps), 0, rows);
    if (isConditional(this.config))
      gpu.queue.writeBuffer(
        programs.bufferOf("forward", INPUT.labels),
        0,
        labelData(checkLabels(labels, batch, this.config), this.config),
      );
    const encoder = encodePass(this.device, (pass) => replay(pass, programs.recordings.forward!.nodes, 0));
    const names = this.unet(batch);
    const range = (name: string, values: number) => ({
      buffer: programs.bufferOf("forward", name),
      bytes: 4 * values,
    });
    const [c, height, width] = hShape(this.config);
    const ranges = [range(names.eps, batch * outChannels * plane), range(names.h, batch * c * height * width)];
    const [eps, h] = await readBuffers(this.device, ranges, encoder);
    return { eps: new Float32Array(eps!), h: new Float32Array(h!) };
  }

  #forward(batch: number): Promise<CompiledGraphs> {
    let programs = this.#forwards.get(batch);
    if (!programs) {
      programs = this.compile({ forward: this.unet(batch).graph }, networkOps);
      this.#forwards.set(batch, programs);
      programs.catch(() => this.#forwards.delete(batch));
    }
    return programs;
  }

  destroy(): void {
    for (const programs of this.#forwards.values()) programs.then((p) => p.destroy()).catch(() => {});
    this.#forwards.clear();
    this.weights.destroy();
  }
}

/** The target with its variants measured, where the options ask for it. */
async function tunedTarget(
  device: Device,
  graph: Graph<NetworkOp>,
  options: NetworkOptions,
): Promise<{ target: Target; results: readonly TuneResult[] }> {
  const target = targetOf(device, options);
  if (options.tune !== "quick") return { target, results: [] };
  const { tuneStore: store = memoryStore(), signal, onTuned } = options;
  const { tuneQuick } = await import("../tune/tune");
  const { tuned, results } = await tuneQuick(device, lower(graph, target, networkOps).convs, target, {
    store,
    signal,
    onTuned,
  });
  return { target: { ...target, tuned }, results };
}

/** Facts of the device that kernels may count on. @throws UserError where it lacks what the options ask for */
export function targetOf(
  device: Device,
  { dtype = "f32", activations = "f32", precision = "fast" }: NetworkOptions = {},
): Target {
  const { matrices } = device;
  if (activations === "f16" && !device.has("shader-f16"))
    throw new UserError(
      "activations f16: this adapter lacks the WebGPU feature shader-f16; leave activations at f32 (dtype f16 works everywhere)",
    );
  return {
    adapterClass: device.adapterClass,
    subgroups: device.has("subgroups"),
    precision,
    weights: dtype,
    ...(activations === "f16" && { activations }),
    maxBindingBytes: device.gpu.limits.maxStorageBufferBindingSize,
    maxLanes: device.gpu.limits.maxComputeInvocationsPerWorkgroup,
    ...(device.has("shader-f16") && { f16: true }),
    ...(matrices && { matrices }),
  };
}

/** The labels asked for, checked. @throws UserError when the network needs labels and these are none of its own */
export function checkLabels(labels: readonly number[] | undefined, batch: number, config: UNetConfig): number[] {
  const { classes } = config;
  const which = classes > 0 ? `a label from 0 to ${classes - 1}` : "a number as its label";
  if (!labels) throw new UserError(`this network is class-conditional: give ${which} (--label)`);
  if (labels.length !== batch) throw new UserError(`${labels.length} labels for ${batch} images`);
  const bad = labels.find((l) => (classes > 0 ? !Number.isInteger(l) || l < 0 || l >= classes : !Number.isFinite(l)));
  if (bad === undefined) return [...labels];
  throw new UserError(
    `label ${bad}: ${classes > 0 ? `this network has classes 0 to ${classes - 1}` : "expected a number"}`,
  );
}

/** Labels as the graph reads them: rows of a table, or numbers. */
export const labelData = (
  labels: readonly number[],
  { classes }: UNetConfig,
): Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer> =>
  classes > 0 ? Uint32Array.from(labels) : Float32Array.from(labels);
