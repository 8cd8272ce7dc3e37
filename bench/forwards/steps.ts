import { readBuffer } from "../../src/gpu/buffers";
import type { Device } from "../../src/gpu/device";
import { encodePass } from "../../src/gpu/encode";
import type { CompiledGraphs } from "../../src/graph/compiled";
import { replay } from "../../src/graph/record";
import { type StepGraph, stepOps } from "../../src/inject/ops";
import type { StepKind } from "../../src/inject/plan-inject";
import { calibratedStep, injectedStep, plainStep, TENSOR } from "../../src/inject/step-graphs";
import { stepTable } from "../../src/inject/step-table";
import { hShape } from "../../src/model/config";
import type { Network } from "../../src/model/network";
import { alphaBars } from "../../src/model/schedule";
import { gaussianNoise } from "../../src/reference/noise";
import type { Replay } from "../kernels/gpu";

export const programNames: readonly StepKind[] = ["plain", "injected", "calibrated"];

/** The three step graphs of a network, as a run compiles them. */
export function stepGraphs(network: Network, batch: number): Readonly<Record<StepKind, StepGraph>> {
  const net = network.unet(batch);
  const spec = { contents: [{ masked: false }] };
  const shape = hShape(network.config);
  return {
    plain: plainStep(net),
    injected: injectedStep(net, spec, shape),
    calibrated: calibratedStep(net, spec, shape),
  };
}

/** Multiply-adds that a graph asks for, whichever variants compute it. */
export const macsOf = (network: Network, graph: StepGraph): number =>
  network.lower(graph, stepOps).nodes.reduce((sum, node) => sum + node.macs, 0);

/** Seeded x and content, and one step of the table: t = 500, gamma 0.3. */
export function feed({ gpu }: Device, network: Network, programs: CompiledGraphs, batch: number): void {
  const { height, width } = network.config;
  const [c, h, w] = hShape(network.config);
  const noise = (draw: number, count: number) =>
    Float32Array.from(gaussianNoise({ seed: 1, stream: 0, draw }, batch * count));
  const [any] = Object.keys(programs.recordings) as [string];
  gpu.queue.writeBuffer(programs.bufferOf(any, "x"), 0, noise(0, 3 * height * width));
  const step = { t: 500, next: 480, gammas: [0.3], omega: 0.3 };
  const steps = programs.bufferOf(any, "steps");
  gpu.queue.writeBuffer(steps, 0, stepTable([Array(batch).fill(step)], alphaBars()).subarray(0, steps.size));
  const injecting = Object.keys(programs.recordings).find((name) => name !== "plain");
  if (injecting) gpu.queue.writeBuffer(programs.bufferOf(injecting, TENSOR.content(0)), 0, noise(1, c * h * w));
}

export const replayOf = (programs: CompiledGraphs, program: string): Replay => ({
  encode: (pass) => replay(pass, programs.recordings[program]!.nodes, 0),
});

/** One step, and what came of it: the next x and the predicted x0. */
export async function outputsOf(device: Device, programs: CompiledGraphs, program: string): Promise<Float32Array[]> {
  device.gpu.queue.submit([encodePass(device, replayOf(programs, program).encode).finish()]);
  const read = async (name: string) => new Float32Array(await readBuffer(device, programs.bufferOf(program, name)));
  return [await read(TENSOR.next), await read(TENSOR.x0)];
}

/** Root mean square of the differences over that of the expected values; NaN if any value is not finite. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) throw new Error(`${found.length} values, needed ${expected.length}`);
  let off = 0;
  let size = 0;
  for (let i = 0; i < found.length; i++) {
    off += (found[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  return Math.sqrt(off / size);
}
