import { Buffers, readBuffers } from "../gpu/buffers";
import type { Device } from "../gpu/device";
import { bindDispatches, encodeDispatches, encodePass } from "../gpu/encode";
import type { Replay } from "../gpu/stopwatch";
import { conv1x1, conv1x1Weight, packConv1x1 } from "../kernels/conv/conv1x1";
import { conv3x3, conv3x3Weight, packConv3x3 } from "../kernels/conv/conv3x3";
import type { ConvUse } from "../kernels/conv/variants";
import { elements, f32, type Tensor } from "../kernels/dispatch";
import type { AnyVariant } from "./candidates";
import { convAt, outputSide, type TrialData } from "./reference";

/** A candidate on the device, ready to run. */
export interface Trial extends Replay {
  /** Largest difference to the reference over the sampled outputs; NaN where one is not finite. Runs it once. */
  worstError(): Promise<number>;
  destroy(): void;
}

/** Outputs that are compared, spread over the whole. */
const SAMPLES = 64;

/** The convolution under one variant as dispatches.
 *  @returns with the tensors that hold its inputs, and its output */
export function trialDispatches(use: ConvUse, variant: AnyVariant, data: TrialData) {
  const { kernel, shape, norm, silu, pad } = use;
  const { c1, c2, oc, h, w, stride, upsample } = shape;
  const ic = c1 + c2;
  const weight = Float32Array.from(data.weight);
  // A variant came from the candidates of this kernel.
  // biome-ignore lint/suspicious/noExplicitAny: their types differ by kernel only
  const v = variant as any;
  const packing =
    kernel === 3
      ? { tensor: conv3x3Weight("weight", oc, ic, v), bytes: packConv3x3(weight, oc, ic, v) }
      : { tensor: conv1x1Weight("weight", oc, ic, v), bytes: packConv1x1(weight, oc, ic, v) };
  const x = f32("x", 1, c1, h, w);
  const skip = f32("skip", 1, c2, h, w);
  const rows = f32("norm", 1, ic, 4);
  const bias = f32("bias", oc);
  const y = f32("y", 1, oc, outputSide(use, h), outputSide(use, w));
  const io = { x, ...(c2 > 0 && { skip }), ...(norm && { norm: rows }), weight: packing.tensor, bias, y };
  const dispatches =
    kernel === 3 ? conv3x3(io, { stride, upsample, pad, silu, variant: v }) : conv1x1(io, { silu, variant: v });
  const inputs = new Map<Tensor, Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
    [x, data.x],
    [packing.tensor, packing.bytes],
    [bias, data.bias],
    ...(c2 > 0 ? [[skip, data.skip] as const] : []),
    ...(norm ? [[rows, data.norm] as const] : []),
  ]);
  return { dispatches, inputs, y };
}

/** Compiles a candidate and uploads what it reads. @throws Error where the device refuses it */
export async function openTrial(device: Device, use: ConvUse, variant: AnyVariant, data: TrialData): Promise<Trial> {
  const { dispatches, inputs, y } = trialDispatches(use, variant, data);
  const buffers = new Buffers(device);
  try {
    const bound = await device.guarded("tune", async () => {
      for (const [tensor, values] of inputs) device.gpu.queue.writeBuffer(buffers.makeFor(tensor), 0, values);
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

async function worstError(device: Device, work: Replay, use: ConvUse, data: TrialData, y: Tensor, buffer: GPUBuffer) {
  const [bytes] = await readBuffers(device, [{ buffer }], encodePass(device, work.encode));
  const found = new Float32Array(bytes!);
  const count = elements(y);
  const points = Array.from({ length: Math.min(SAMPLES, count) }, (_, i) => (i * 7919 * 31) % count);
  const expected = convAt(use, data, y.shape[3]!, points);
  let worst = 0;
  for (const [i, point] of points.entries()) {
    const off = Math.abs(found[point]! - expected[i]!);
    if (!(off <= worst)) worst = off;
  }
  return worst;
}
