import { readBuffers } from "../../src/gpu/buffers";
import { encodePass } from "../../src/gpu/encode";
import { replay } from "../../src/graph/record";
import { type StepGraph, stepOps } from "../../src/inject/ops";
import { byteLength } from "../../src/kernels/dispatch";
import type { Network } from "../../src/model/network";
import type { Values } from "./kernels";

/** Runs a graph once and returns any of its tensors.
 *  @param inputs a value for every graph input @param names tensors to return, graph outputs or not */
export async function evaluate(
  network: Network,
  graph: StepGraph,
  inputs: Readonly<Record<string, Float32Array | Uint32Array>>,
  names: readonly string[],
): Promise<Map<string, Values>> {
  const kept = { ...graph, outputs: [...new Set([...graph.outputs, ...names])] };
  const { external } = network.lower(kept, stepOps);
  const programs = await network.compile({ evaluate: kept }, stepOps);
  const { device } = network;
  try {
    for (const [name, values] of Object.entries(inputs))
      device.gpu.queue.writeBuffer(programs.bufferOf("evaluate", name), 0, values.slice());
    const encoder = encodePass(device, (pass) => replay(pass, programs.recordings.evaluate!.nodes, 0));
    const tensors = names.map((name) => external.get(name)!);
    const ranges = tensors.map((t) => ({ buffer: programs.bufferOf("evaluate", t.name), bytes: byteLength(t) }));
    const results = await readBuffers(device, ranges, encoder);
    return new Map(tensors.map(({ name, shape }, i) => [name, { shape, data: new Float32Array(results[i]!) }]));
  } finally {
    programs.destroy();
  }
}
