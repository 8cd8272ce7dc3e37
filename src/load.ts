import type { Device } from "./gpu/device";
import { type Decode, Model } from "./inject/model";
import type { CheckpointOptions } from "./model/checkpoint/checkpoint";
import type { ConfigHints } from "./model/checkpoint/infer";
import { openModel } from "./model/checkpoint/model";
import type { OnProgress } from "./model/checkpoint/progress";
import type { ByteSource } from "./model/checkpoint/source";
import { Network, type NetworkOptions } from "./model/network";

export interface LoadOptions extends NetworkOptions, ConfigHints, Pick<CheckpointOptions, "ema"> {
  readonly device: Device;
  readonly onProgress?: OnProgress;
}

/** From an opened source to a model on the GPU: the part of `loadModel` that Node and browsers share. */
export async function modelFrom(
  source: ByteSource,
  name: string,
  options: LoadOptions,
  decode: Decode,
): Promise<Model> {
  const { device, dtype, precision, onProgress, signal, ...hints } = options;
  const network = { ...(dtype && { dtype }), ...(precision && { precision }), ...(signal && { signal }) };
  const checkpoint = await openModel(source, { ...hints, ...(signal && { signal }) });
  try {
    const model = new Model(await Network.load(checkpoint, device, network), name, decode);
    onProgress?.({ status: "ready", file: source.name, loaded: source.size, total: source.size });
    return model;
  } finally {
    checkpoint.close();
  }
}
