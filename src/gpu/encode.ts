import { byteLength, type Dispatch, type Tensor } from "../kernels/dispatch";
import type { Device } from "./device";

/** A dispatch bound to its pipeline and buffers. */
export interface BoundDispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  /** number of bindings of the step row: each takes the step's byte offset */
  readonly stepBindings: number;
  readonly workgroups: readonly [number, number, number];
}

/** Where a tensor begins. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
}

/** Compiles the pipelines that are not compiled yet, all at once, and binds every dispatch. */
export async function bindDispatches(
  device: Device,
  dispatches: readonly Dispatch[],
  rangeOf: (tensor: Tensor) => BufferRange,
): Promise<BoundDispatch[]> {
  const pipelines = await Promise.all(dispatches.map((d) => device.pipelines.get(d)));
  return dispatches.map(({ bindings, workgroups }, i) => ({
    pipeline: pipelines[i]!.pipeline,
    bindGroup: pipelines[i]!.bind(bindings.map(({ tensor }) => ({ ...rangeOf(tensor), size: byteLength(tensor) }))),
    stepBindings: bindings.filter(({ access }) => access === "step").length,
    workgroups,
  }));
}

/** Encodes dispatches in order, with the step row read from `stepOffset` (bytes). */
export function encodeDispatches(
  pass: GPUComputePassEncoder,
  dispatches: readonly BoundDispatch[],
  stepOffset = 0,
): void {
  for (const { pipeline, bindGroup, stepBindings, workgroups } of dispatches) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup, stepBindings === 0 ? [] : Array(stepBindings).fill(stepOffset));
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }
}

/** Encodes one compute pass. @returns its encoder, to submit or to add to */
export function encodePass(device: Device, encode: (pass: GPUComputePassEncoder) => void): GPUCommandEncoder {
  const encoder = device.gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  return encoder;
}

/** Submits dispatches once. */
export async function runOnce(
  device: Device,
  dispatches: readonly Dispatch[],
  rangeOf: (tensor: Tensor) => BufferRange,
): Promise<void> {
  const bound = await bindDispatches(device, dispatches, rangeOf);
  device.gpu.queue.submit([encodePass(device, (pass) => encodeDispatches(pass, bound)).finish()]);
}
