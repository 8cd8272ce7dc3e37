import { UserError } from "./errors";
import { Device, type DeviceOptions, deviceFromCaller } from "./gpu/device";
import {
  between,
  type Check,
  callback,
  checkOptions,
  either,
  flag,
  object,
  oneOf,
  text,
  whole,
} from "./inject/check-options";
import { Model } from "./inject/model";
import type { PresetName } from "./inject/parameters";
import type { Platform } from "./inject/platform";
import type { Target } from "./kernels/target";
import type { CheckpointOptions } from "./model/checkpoint/checkpoint";
import type { ConfigHints, DescribeOptions } from "./model/checkpoint/described";
import { type ModelCheckpoint, openModelCheckpoint } from "./model/checkpoint/model";
import type { OnProgress } from "./model/checkpoint/progress";
import type { ByteSource, SourceLike } from "./model/checkpoint/source";
import type { SourceOptions } from "./model/checkpoint/source-node";
import { Network, type NetworkOptions } from "./model/network";
import { isModelPreset, type ModelPreset, modelPresets } from "./model/presets";
import type { TuneStore } from "./tune/store";

export interface LoadOptions extends NetworkOptions, ConfigHints, Pick<CheckpointOptions, "ema"> {
  /** Where the model runs. Default: a device of its own, opened with it and freed with it. */
  readonly device?: Device | GPUDevice | undefined;
  readonly onProgress?: OnProgress;
  /** Class of every picture, for class-conditional networks. */
  readonly label?: number;
  /** Whether runs recover from a lost device unless they say otherwise; see `RunOptions.recover`. */
  readonly recover?: boolean;
}

type AllOptions = LoadOptions & SourceOptions;

const any: Check = () => undefined;

const LOAD_OPTIONS = {
  device: object,
  dtype: oneOf("f32", "f16"),
  activations: oneOf("f32", "f16"),
  precision: oneOf("fast", "exact"),
  tune: oneOf("quick"),
  tuneStore: object,
  onTuned: callback,
  onProgress: callback,
  signal: object,
  ema: flag,
  label: whole(0),
  recover: flag,
  resolution: either("a whole number, or a width and a height", whole(1), object),
  headChannels: whole(0),
  heads: whole(1),
  headsUp: whole(1),
  qkvOrder: oneOf("legacy", "new"),
  groups: whole(1),
  eps: any,
  family: oneOf("ddpm", "diffusers"),
  config: object,
  schedule: object,
  variant: text,
  checksum: either("a sha256 in hex, or true", text, flag),
  cache: any,
  cacheDir: text,
  onNotice: callback,
  fetch: callback,
  headers: object,
  retries: whole(0),
  backoff: whole(0),
  stallTimeout: between(0, Number.POSITIVE_INFINITY),
  readAhead: whole(1),
  hubUrl: text,
  accessToken: text,
} satisfies Record<keyof AllOptions, Check>;

/** Functions that differ between Node and browsers when a model is loaded. */
export interface LoadPlatform extends Platform {
  readonly tuneStore: TuneStore;
  openDevice(options?: DeviceOptions): Promise<Device>;
}

/** Reads a source: one of the paper's models by name (`celebahq`), with a file of one's own (`ffhq=FILE`), or
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

/** @throws UserError in one line for a source or option that is none */
export function checkLoad(source: unknown, options: unknown): void {
  const several = source instanceof Map || Array.isArray(source);
  const known = typeof source === "string" || source instanceof Blob || source instanceof URL || several;
  if (!known && !(source instanceof ArrayBuffer) && !ArrayBuffer.isView(source))
    throw new UserError(
      "loadModel: expected a model's name, a path, a URL, a Blob, several files or bytes as the source",
    );
  checkOptions("loadModel", options, LOAD_OPTIONS);
}

/** What is known of a model by what it is loaded from. */
export interface Origin {
  /** default: its file's */
  readonly name: string | undefined;
  /** the injection preset that suits it */
  readonly method: PresetName;
  readonly preset?: ModelPreset | undefined;
}

/** From a source to a model on the GPU: the part of `loadModel` that Node and browsers share.
 *  @param open opens the source, again when the model is loaded onto a new device */
export async function modelFrom(
  open: () => Promise<ByteSource>,
  options: LoadOptions,
  platform: LoadPlatform,
  { name, method, preset }: Origin,
): Promise<Model> {
  const { device: given, recover, label, signal } = options;
  const device = given instanceof Device ? given : given ? deviceFromCaller(given) : await platform.openDevice();
  const close = () => {
    if (given !== device) device.dispose();
  };
  try {
    if (recover && !device.reopens)
      throw new UserError("recover: only a device that the engine opened itself can be opened again; leave out device");
    signal?.throwIfAborted();
    const { network, file } = await loadNetwork(open, device, options, platform, preset);
    const { signal: _, ...again } = options;
    const reload = async () => (await loadNetwork(open, device, again, platform, preset, network.target)).network;
    return new Model(network, platform, {
      name: name ?? file,
      label,
      preset: method,
      reload,
      close,
      ...(recover !== undefined && { recover }),
    });
  } catch (error) {
    close();
    throw error;
  }
}

/** Facts of one of the paper's models, whatever its file says. */
export const knownOf = ({ config, schedule }: ModelPreset): DescribeOptions => ({
  resolution: config,
  ...(config.family === "adm"
    ? { headChannels: config.headChannels, qkvOrder: config.qkvOrder }
    : { fallback: "ddpm" as const }),
  ...(schedule && { schedule }),
});

/** Options of the checkpoint among those of a model. */
function readAs(hints: object, preset: ModelPreset | undefined): object {
  const known = preset ? knownOf(preset) : {};
  return Object.fromEntries(Object.entries({ ...known, ...hints }).filter(([, value]) => value !== undefined));
}

/** Which weights a source holds, as `Model.hash` has it: reads the file, and needs no device. */
export async function identifyModel(
  source: ByteSource,
  hints: ConfigHints & Pick<CheckpointOptions, "ema" | "signal">,
  preset?: ModelPreset,
): Promise<string> {
  const checkpoint = await openModelCheckpoint(source, readAs(hints, preset));
  try {
    if (preset) expectPreset(checkpoint, preset);
    return await Network.identify(checkpoint, hints.signal);
  } finally {
    checkpoint.close();
  }
}

async function loadNetwork(
  open: () => Promise<ByteSource>,
  device: Device,
  options: LoadOptions,
  platform: LoadPlatform,
  preset: ModelPreset | undefined,
  target?: Target,
): Promise<{ network: Network; file: string }> {
  const { dtype, activations, precision, tune, tuneStore, onTuned, onProgress, signal, ...hints } = options;
  const source = await open();
  const checkpoint = await openModelCheckpoint(source, { ...readAs(hints, preset), ...(signal && { signal }) });
  try {
    if (preset) expectPreset(checkpoint, preset);
    const network = await Network.load(
      checkpoint,
      device,
      {
        ...(dtype && { dtype }),
        ...(activations && { activations }),
        ...(precision && { precision }),
        ...(signal && { signal }),
        tune,
        tuneStore: tuneStore ?? platform.tuneStore,
        onTuned,
      },
      target,
    );
    onProgress?.({ status: "ready", file: source.name, loaded: source.size, total: source.size });
    return { network, file: source.name };
  } finally {
    checkpoint.close();
  }
}

/** @throws UserError when a file is another network than the preset's: both counts are given */
function expectPreset({ file, tensors }: Pick<ModelCheckpoint, "file" | "tensors">, preset: ModelPreset): void {
  const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  if (tensors.size !== preset.tensors || parameters !== preset.parameters)
    throw new UserError(
      `${file}: ${tensors.size} tensors with ${parameters} parameters; ${preset.title} has ${preset.tensors} with ${preset.parameters}: pass that model's checkpoint, or drop the name before "="`,
    );
}
