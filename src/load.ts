import { UserError } from "./errors";
import type { Device } from "./gpu/device";
import { type Decode, Model } from "./inject/model";
import type { CheckpointOptions } from "./model/checkpoint/checkpoint";
import type { ConfigHints } from "./model/checkpoint/infer";
import { type ModelCheckpoint, openModel } from "./model/checkpoint/model";
import type { OnProgress } from "./model/checkpoint/progress";
import type { ByteSource, SourceLike } from "./model/checkpoint/source";
import { Network, type NetworkOptions } from "./model/network";
import { isModelPreset, type ModelPreset, modelPresets } from "./model/presets";
import type { TuneStore } from "./tune/store";

export interface LoadOptions extends NetworkOptions, ConfigHints, Pick<CheckpointOptions, "ema"> {
  readonly device: Device;
  readonly onProgress?: OnProgress;
  /** Class of every picture, for class-conditional networks. */
  readonly label?: number;
}

/** What a source asks for: one of the paper's models by name (`celebahq`), with a file of one's own (`ffhq=FILE`), or
 *  anything else as it is. `expectModelName` refuses the names that cannot be opened. */
export function presetOf(source: SourceLike): { source: SourceLike; preset?: ModelPreset } {
  if (typeof source !== "string") return { source };
  const at = source.indexOf("=");
  const name = at < 0 ? source : source.slice(0, at);
  if (!isModelPreset(name)) return { source };
  const preset: ModelPreset = modelPresets[name];
  if (at >= 0) return { source: source.slice(at + 1), preset };
  return { source: preset.source ?? source, preset };
}

/** From an opened source to a model on the GPU: the part of `loadModel` that Node and browsers share. */
export async function modelFrom(
  source: ByteSource,
  name: string,
  options: LoadOptions,
  { decode, tuneStore }: { readonly decode: Decode; readonly tuneStore: TuneStore },
  preset?: ModelPreset,
): Promise<Model> {
  const { device, dtype, precision, tune, tuneStore: ownStore, onTuned, onProgress, signal, label, ...given } = options;
  const { resolution, headChannels, qkvOrder } = preset?.config ?? {};
  const known = preset ? { resolution, ...(headChannels && { headChannels }), qkvOrder } : {};
  const hints = Object.fromEntries(Object.entries({ ...known, ...given }).filter(([, value]) => value !== undefined));
  const network = {
    ...(dtype && { dtype }),
    ...(precision && { precision }),
    ...(signal && { signal }),
    tune,
    tuneStore: ownStore ?? tuneStore,
    onTuned,
  };
  const checkpoint = await openModel(source, { ...hints, ...(signal && { signal }) });
  try {
    if (preset) expectPreset(checkpoint, preset);
    const model = new Model(await Network.load(checkpoint, device, network), name, decode, label);
    onProgress?.({ status: "ready", file: source.name, loaded: source.size, total: source.size });
    return model;
  } finally {
    checkpoint.close();
  }
}

/** @throws UserError when a file is another network than the preset's: both counts are given */
function expectPreset({ file, tensors }: Pick<ModelCheckpoint, "file" | "tensors">, preset: ModelPreset): void {
  const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  if (tensors.size !== preset.tensors || parameters !== preset.parameters)
    throw new UserError(
      `${file}: ${tensors.size} tensors with ${parameters} parameters; ${preset.title} has ${preset.tensors} with ${preset.parameters}: give its own file, or leave the name away`,
    );
}
