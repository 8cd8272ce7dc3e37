import { Buffers, readBuffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { bindDispatches, encodeDispatches, encodePass } from "../gpu/encode";
import type { Replay } from "../gpu/stopwatch";
import { fromHalf, toHalf } from "../half";
import type { ConvUse, ConvVariant } from "../kernels/conv/variant";
import { byteLength, elements, type Tensor } from "../kernels/dispatch";
import type { Target } from "../kernels/target";
import { type ConvData, convReference } from "../reference/conv";
import { samplePoints } from "../reference/numbers";
import { convRun } from "./conv-run";
import { caseOf } from "./trial-data";

/** A candidate on the device, ready to run. */
export interface Trial extends Replay {
  /** Largest difference to the reference over the sampled outputs; NaN where one is not finite. Runs it once. */
  worstError(): Promise<number>;
  destroy(): void;
}

/** Outputs that are compared, spread over the whole. */
const SAMPLES = 64;

/** Compiles a candidate and uploads what it reads. @throws Error where the device refuses it */
export async function openTrial(
  device: Device,
  use: ConvUse,
  variant: ConvVariant,
  target: Target,
  data: ConvData,
): Promise<Trial> {
  const { dispatches, inputs, y } = convRun(caseOf(use), data, variant, target);
  const buffers = new Buffers(device);
  try {
    const bound = await device.guarded("tune", async () => {
      for (const [tensor, values] of inputs) {
        const bytes = new Uint8Array(byteLength(tensor)); // an odd number of halves ends within a word
        bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
        device.gpu.queue.writeBuffer(buffers.makeFor(tensor), 0, bytes);
      }
      return bindDispatches(device, dispatches, (tensor) => ({ buffer: buffers.makeFor(tensor) }));
    });
    const encode: Replay["encode"] = (pass) => encodeDispatches(pass, bound);
    return {
      encode,
      worstError: () => worstError(device, { encode }, use, data, y, buffers.get(y.name)!),
      destroy: () => buffers.destroy(),
    };
  } catch (error) {
    buffers.destroy();
    throw error;
  }
}

async function worstError(device: Device, work: Replay, use: ConvUse, data: ConvData, y: Tensor, buffer: GPUBuffer) {
  const [bytes] = await readBuffers(device, [{ buffer }], encodePass(device, work.encode));
  const half = y.dtype === "f16";
  const found = half ? fromHalf(new Uint16Array(bytes!)) : new Float32Array(bytes!);
  const points = samplePoints(elements(y), SAMPLES);
  const expected = convReference(caseOf(use), half ? rounded(data) : data, points);
  let worst = 0;
  for (const [i, point] of points.entries()) {
    const off = Math.abs(found[point]! - expected[i]!);
    if (!(off <= worst)) worst = off;
  }
  return worst;
}

/** The data as they are read where activations are f16. */
const rounded = (data: ConvData): ConvData => ({
  ...data,
  x: fromHalf(toHalf(data.x)),
  skip: data.skip && fromHalf(toHalf(data.skip)),
});
