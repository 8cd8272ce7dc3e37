import type { Device } from "../gpu/device";
import { type BoundDispatch, type BufferRange, bindDispatches, encodeDispatches } from "../gpu/encode";
import type { Tensor } from "../kernels/dispatch";
import type { LoweredNode } from "./lower";

interface RecordedNode {
  readonly name: string;
  readonly output: Tensor;
  readonly dispatches: readonly BoundDispatch[];
}

/** A graph ready to replay: only the step's offset changes from one replay to the next. */
export interface Recording {
  readonly nodes: readonly RecordedNode[];
}

/** Compiles and binds every dispatch of a graph. @param rangeOf place of a tensor, by name
 *  @throws the signal's reason when it is aborted meanwhile */
export async function record(
  device: Device,
  nodes: readonly LoweredNode[],
  rangeOf: (name: string) => BufferRange,
  signal?: AbortSignal,
): Promise<Recording> {
  const all = nodes.flatMap(({ dispatches }) => dispatches);
  const bound = await bindDispatches(device, all, ({ name }) => rangeOf(name), signal);
  let at = 0;
  return {
    nodes: nodes.map(({ name, output, dispatches }) => ({
      name,
      output,
      dispatches: bound.slice(at, (at += dispatches.length)),
    })),
  };
}

/** Replays a recording into a compute pass, with the step table read from `stepOffset` (bytes). */
export function replay(pass: GPUComputePassEncoder, nodes: readonly RecordedNode[], stepOffset: number): void {
  for (const { dispatches } of nodes) encodeDispatches(pass, dispatches, stepOffset);
}
