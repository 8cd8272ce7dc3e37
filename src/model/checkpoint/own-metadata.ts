import { UserError } from "../../errors";
import { ACTIVATION, type Activation } from "../../kernels/pointwise/activation";
import type { Json } from "./diffusers-config";
import type { Settings } from "./settings";
import { parseObject } from "./side-files";

const positive = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? value : undefined;

/** Metadata of our own files: `config`, a UNetConfig as JSON, in the safetensors metadata. Other programs'
 *  configs under that name give what they share with it.
 *  @throws UserError when it is not JSON. */
export function metadataConfig(metadata: Readonly<Record<string, string>>, file: string): Json {
  if (metadata.config === undefined) return {};
  try {
    return parseObject(metadata.config, "config");
  } catch {
    throw new UserError(`${file}: its metadata "config" is not a JSON object; re-save the file`);
  }
}

/** The settings of a UNetConfig written as JSON; what is not of the right kind counts as absent. */
export function metadataSettings(config: Json): Settings {
  const { attentionNorm, dividedValues } = config;
  const { resolution, height, width, headChannels, qkvOrder, pad, embedding, activation, centerInput, midGroups } =
    config;
  const { order, shift } = (typeof embedding === "object" && embedding ? embedding : {}) as Json;
  const settings: Record<keyof Settings, unknown> = {
    height: positive(height) ?? positive(resolution),
    width: positive(width) ?? positive(resolution),
    groups: positive(config.groups),
    eps: positive(config.eps),
    headChannels: headChannels === 0 ? 0 : positive(headChannels),
    heads: positive(config.heads),
    headsUp: positive(config.headsUp),
    qkvOrder: qkvOrder === "legacy" || qkvOrder === "new" ? qkvOrder : undefined,
    pad: pad === "asymmetric" || pad === "same" ? pad : undefined,
    embedding: (order === "sin-cos" || order === "cos-sin") && typeof shift === "number" ? { order, shift } : undefined,
    activation: Object.hasOwn(ACTIVATION, String(activation)) ? (activation as Activation) : undefined,
    midScale: positive(config.midScale),
    centerInput: typeof centerInput === "boolean" ? centerInput : undefined,
    midGroups: positive(midGroups),
    attentionResidual: config.attentionResidual === "normalised" ? "normalised" : undefined,
    attentionNorm: attentionNorm === "rms" || attentionNorm === "layer" ? attentionNorm : undefined,
    dividedValues: typeof dividedValues === "boolean" ? dividedValues : undefined,
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Settings;
}
