import { join } from "node:path";
import { UserError } from "../../src/errors";
import type { Device } from "../../src/gpu/device";
import type { Graph } from "../../src/graph/graph";
import { STEP, STEP_FLOATS } from "../../src/kernels/step/step-row";
import { openModelCheckpoint } from "../../src/model/checkpoint/model";
import { openSource } from "../../src/model/checkpoint/source-node";
import { labelData, Network, type NetworkOptions } from "../../src/model/network";
import { allowed, compare, type Tolerance } from "./compare";
import { evaluate } from "./evaluate";
import type { CaseResult, Values } from "./kernels";

/** Largest error of one forward, relative to the rms: 3e-5 is fair, and what the floor of f32 against f64 asks for. */
export const TOLERANCE = 3e-5;

/** A case of one UNet2DModel. */
export interface UNetManifest {
  readonly case: string;
  readonly checkpoint: string;
  readonly class_labels: readonly number[] | null;
  /** "refuse, ..." for networks that this engine may not have */
  readonly expect?: string;
}

/** Output, h and activations of a UNet2DModel folder; a network that is not this engine's must be refused by name. */
export async function* runUNet(
  folder: string,
  manifest: UNetManifest,
  tensors: ReadonlyMap<string, Values>,
  device: Device,
  options: NetworkOptions,
): AsyncGenerator<CaseResult> {
  const tolerance = allowed(TOLERANCE, options);
  const path = join(folder, manifest.checkpoint);
  if (manifest.expect?.startsWith("refuse")) return yield await refused(path);
  yield* await withNetwork(path, device, {}, options, (network) => runForward(network, manifest, tensors, tolerance));
  if (tensors.has("eps_fp16_weights"))
    yield* await withNetwork(path, device, { variant: "fp16" }, options, (network) =>
      runHalf(network, tensors, tolerance),
    );
}

async function withNetwork(
  path: string,
  device: Device,
  file: { variant?: string },
  options: NetworkOptions,
  checks: (network: Network) => AsyncGenerator<CaseResult>,
): Promise<CaseResult[]> {
  const checkpoint = await openModelCheckpoint(await openSource(path, file));
  const network = await Network.load(checkpoint, device, { precision: "exact", ...options });
  try {
    const results: CaseResult[] = [];
    for await (const result of checks(network)) results.push(result);
    return results;
  } finally {
    network.destroy();
    checkpoint.close();
  }
}

/** The variant of the weights that is rounded to f16. */
async function* runHalf(
  network: Network,
  tensors: ReadonlyMap<string, Values>,
  tolerance: Tolerance,
): AsyncGenerator<CaseResult> {
  const x = tensors.get("x")!;
  const { eps, h } = await network.forward(x.data, [...tensors.get("t")!.data]);
  yield perPicture("eps_fp16_weights", eps, tensors.get("eps_fp16_weights")!, x.shape[0]!, tolerance);
  yield perPicture("h_fp16_weights", h, tensors.get("h_fp16_weights")!, x.shape[0]!, tolerance);
}

async function* runForward(
  network: Network,
  { class_labels }: UNetManifest,
  tensors: ReadonlyMap<string, Values>,
  tolerance: Tolerance,
): AsyncGenerator<CaseResult> {
  const x = tensors.get("x")!;
  const t = [...tensors.get("t")!.data];
  const labels = class_labels ?? undefined;
  const { eps, h } = await network.forward(x.data, t, labels);
  yield perPicture("eps", eps, tensors.get("eps")!, x.shape[0]!, tolerance);
  yield perPicture("h", h, tensors.get("h")!, x.shape[0]!, tolerance);
  const { graph } = network.unet(1);
  const levels = network.config.channelMult.length;
  yield* recordedActivations(network, tensors, (module) => nameOf(graph, module, levels), labels, tolerance);
}

/** Outputs of upstream's modules, recorded for the first picture as `act.MODULE`.
 *  @param nameOf the tensor of the graph that is a module's output, where one is */
export async function* recordedActivations(
  network: Network,
  tensors: ReadonlyMap<string, Values>,
  nameOf: (module: string) => string | undefined,
  labels: readonly number[] | undefined,
  tolerance: Tolerance,
): AsyncGenerator<CaseResult> {
  const { graph } = network.unet(1);
  const x = tensors.get("x")!;
  const recorded = [...tensors].flatMap(([name, values]) => {
    if (!name.startsWith("act.")) return [];
    const wanted = nameOf(name.slice("act.".length));
    const output = graph.nodes.find((n) => n.output === wanted)?.output;
    return output === undefined ? [] : [{ name, output, values }];
  });
  const row = new Float32Array(STEP_FLOATS);
  row[STEP.T] = tensors.get("t")!.data[0]!;
  const inputs = {
    x: x.data.subarray(0, x.data.length / x.shape[0]!),
    steps: row,
    ...(labels && { labels: labelData(labels.slice(0, 1), network.config) }),
  };
  const found = await evaluate(
    network,
    graph,
    inputs,
    recorded.map(({ output }) => output),
  );
  for (const { name, output, values } of recorded)
    yield perPicture(name, found.get(output)!.data, values, 1, tolerance);
}

/** The tensor of the graph that is an upstream module's output, where one is. */
function nameOf(graph: Graph, module: string, levels: number): string | undefined {
  const block = /^(down|up)_blocks\.(\d+)$/.exec(module);
  if (block) {
    const [level, way] = [block[1] === "down" ? Number(block[2]) : levels - 1 - Number(block[2]), block[1]!];
    const last = way === "down" ? levels - 1 : 0;
    return level === last ? lastLayer(graph, `${way}.${level}`) : `${way}.${level}.${way}sample`;
  }
  const names: Record<string, string> = {
    time_embedding: "temb.dense.1",
    conv_in: "conv_in",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.attentions.0": "mid.attn_1",
  };
  return names[module];
}

/** The last layer of a level that has no resampler. */
const lastLayer = (graph: Graph, level: string): string | undefined =>
  graph.nodes.findLast(({ output }) => output.startsWith(`${level}.`) && /\.(?:block|attn)\.\d+$/.test(output))?.output;

/** As `compare`, with every error relative to the rms of each picture: a case may hold a faint one. */
export function perPicture(
  id: string,
  found: Float32Array,
  expected: Values,
  pictures: number,
  tolerance: Tolerance,
): CaseResult {
  const each = expected.data.length / pictures;
  let worst: CaseResult | undefined;
  if (found.length !== expected.data.length) return compare(id, found, expected, tolerance);
  for (let n = 0; n < pictures; n++) {
    const part = expected.data.subarray(n * each, (n + 1) * each);
    const result = compare(id, found.subarray(n * each, (n + 1) * each), { data: part }, tolerance);
    if (!worst || !(result.worstRel <= worst.worstRel)) worst = result;
  }
  return worst!;
}

async function refused(path: string): Promise<CaseResult> {
  const failed = { worstAbs: Infinity, worstRel: Infinity, tolerance: 0 };
  try {
    (await openModelCheckpoint(await openSource(path))).close();
    return { id: "refused", ok: false, ...failed, reason: "opened, but must be refused" };
  } catch (error) {
    const ok = error instanceof UserError && !error.message.includes("\n");
    return { id: "refused", ok, ...(ok ? { worstAbs: 0, worstRel: 0, tolerance: 0 } : failed), reason: String(error) };
  }
}
