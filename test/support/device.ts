import { afterAll } from "vitest";
import type { Device } from "../../src/gpu/device";
import { openDevice } from "../../src/gpu/open-node";
import type { Dispatch, Tensor } from "../../src/kernels/dispatch";
import { type Data, runOn } from "./run";

export type { Data } from "./run";

let opened: Promise<Device> | undefined;

/** The device of this test file, opened once and destroyed after its last test. */
export function testDevice(): Promise<Device> {
  opened ??= openDevice();
  return opened;
}

afterAll(async () => {
  (await opened)?.destroy();
  opened = undefined;
});

/** `runOn` the device of this test file: runs dispatches in order on given inputs and returns the tensors asked for. */
export async function runDispatches(
  dispatches: readonly Dispatch[],
  inputs: ReadonlyMap<Tensor, Data>,
  outputs: readonly Tensor[],
): Promise<Float32Array<ArrayBuffer>[]> {
  return runOn(await testDevice(), dispatches, inputs, outputs);
}
