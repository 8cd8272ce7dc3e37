import { byteLength, type Dispatch, type Tensor } from "../kernels/dispatch";
import type { Device } from "./device";
import { Turns } from "./patience";
import { pipelineKey } from "./pipelines";

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

/** Pipelines that compile at once. One that was begun cannot be cancelled, and the device is closed after the last of them:
 *  on the software adapter with two cores the 44 of the shipped model take 4.5 s by fours as by eights, and a cancelled
 *  process ends after 0.2 s instead of 1.0. */
const AT_ONCE = { software: 4, gpu: 16 } as const;

/** Compiles the pipelines that are not compiled yet, a few at a time. */
async function compileAll(device: Device, dispatches: readonly Dispatch[], signal?: AbortSignal): Promise<void> {
  const distinct = new Map(dispatches.filter((d) => !device.pipelines.has(d)).map((d) => [pipelineKey(d), d]));
  const turns = new Turns(signal);
  const running = new Set<Promise<unknown>>();
  for (const dispatch of distinct.values()) {
    await turns.give();
    const compiling: Promise<unknown> = device.pipelines
      .get(dispatch)
      .catch(() => {}) // reported when it is bound
      .finally(() => running.delete(compiling));
    running.add(compiling);
    if (running.size >= AT_ONCE[device.adapterClass]) await device.wait(Promise.race(running), signal);
  }
  await device.wait(Promise.all(running), signal);
}

/** Dispatches bound between two turns of the event loop. */
const BOUND_AT_ONCE = 32;

/** Compiles the pipelines that are not compiled yet and binds every dispatch.
 *  @throws Error when the GPU finds a binding invalid, the signal's reason when it is aborted meanwhile */
export async function bindDispatches(
  device: Device,
  dispatches: readonly Dispatch[],
  rangeOf: (tensor: Tensor) => BufferRange,
  signal?: AbortSignal,
): Promise<BoundDispatch[]> {
  await compileAll(device, dispatches, signal);
  const errors = device.errors("compile");
  const turns = new Turns(signal);
  const bound: BoundDispatch[] = [];
  for (let at = 0; at < dispatches.length; at += BOUND_AT_ONCE) {
    await turns.give();
    const some = dispatches.slice(at, at + BOUND_AT_ONCE);
    const pipelines = await Promise.all(some.map((d) => device.pipelines.get(d)));
    errors.run(() => {
      for (const [i, { bindings, workgroups }] of some.entries())
        bound.push({
          pipeline: pipelines[i]!.pipeline,
          bindGroup: pipelines[i]!.bind(
            bindings.map(({ tensor }) => ({ ...rangeOf(tensor), size: byteLength(tensor) })),
          ),
          stepBindings: bindings.filter(({ access }) => access === "step").length,
          workgroups,
        });
    });
  }
  await errors.settled();
  return bound;
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

/** Submits dispatches once. @throws Error when the GPU finds them invalid */
export async function runOnce(
  device: Device,
  dispatches: readonly Dispatch[],
  rangeOf: (tensor: Tensor) => BufferRange,
  signal?: AbortSignal,
): Promise<void> {
  const bound = await bindDispatches(device, dispatches, rangeOf, signal);
  device.check();
  const errors = device.errors("dispatch");
  errors.run(() => device.gpu.queue.submit([encodePass(device, (pass) => encodeDispatches(pass, bound)).finish()]));
  await errors.settled();
}
