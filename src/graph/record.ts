import type { Device } from "../gpu/device";
import { byteLength, type Tensor } from "../kernels/dispatch";
import type { LoweredNode } from "./lower";

/** A dispatch bound to its pipeline and buffers. */
interface Recorded {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  /** bindings of the step row: each takes the step's byte offset */
  readonly stepBindings: number;
  readonly workgroups: readonly [number, number, number];
}

interface RecordedNode {
  readonly name: string;
  readonly output: Tensor;
  readonly dispatches: readonly Recorded[];
}

/** A graph ready to replay: only the step's offset changes from one replay to the next. */
export interface Recording {
  readonly nodes: readonly RecordedNode[];
}

/** Where a tensor begins. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/** Compiles what is not compiled yet (all pipelines at once) and binds every dispatch.
 *  @param rangeOf where a tensor lies, by name */
export async function record(
  device: Device,
  nodes: readonly LoweredNode[],
  rangeOf: (name: string) => BufferRange,
): Promise<Recording> {
  const pipelines = await Promise.all(
    nodes.map((node) => Promise.all(node.dispatches.map((d) => device.pipelines.get(d)))),
  );
  return {
    nodes: nodes.map((node, i) => ({
      name: node.name,
      output: node.output,
      dispatches: node.dispatches.map((d, j) => {
        const { pipeline, bind } = pipelines[i]![j]!;
        return {
          pipeline,
          bindGroup: bind(d.bindings.map(({ tensor }) => ({ ...rangeOf(tensor.name), size: byteLength(tensor) }))),
          stepBindings: d.bindings.filter((b) => b.access === "step").length,
          workgroups: d.workgroups,
        };
      }),
    })),
  };
}

/** Replays a recording into a compute pass, with the step table read from `stepOffset` (bytes). */
export function replay(pass: GPUComputePassEncoder, nodes: readonly RecordedNode[], stepOffset: number): void {
  for (const node of nodes)
    for (const { pipeline, bindGroup, stepBindings, workgroups } of node.dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup, stepBindings === 0 ? [] : Array(stepBindings).fill(stepOffset));
      pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
    }
}
