import { UserError } from "../../errors";
import type { ConfigHints } from "./infer";
import type { ByteSource } from "./source";

/** What a diffusers UNet2DModel must be for the DDPM arithmetic of the paper: [key, values that are fine].
 *  A key that is absent is fine: older files lack the newer ones, whose defaults are these. */
const needed: readonly (readonly [string, readonly unknown[]])[] = [
  ["_class_name", ["UNet2DModel", "DDPM"]],
  ["act_fn", ["silu", "swish"]],
  ["add_attention", [true]],
  ["center_input_sample", [false]],
  ["downsample_padding", [0]],
  ["downsample_type", ["conv"]],
  ["flip_sin_to_cos", [false]],
  ["freq_shift", [1]],
  ["mid_block_scale_factor", [1]],
  ["num_class_embeds", [null]],
  ["resnet_time_scale_shift", ["default"]],
  ["time_embedding_type", ["positional"]],
  ["upsample_type", ["conv"]],
];

const number = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? value : undefined;

/** Reads a diffusers `config.json`: what it adds to the weights, after checking what it says against what is built.
 *  @throws UserError naming the first setting this engine does not have. */
export function diffusersHints(config: Readonly<Record<string, unknown>>, file: string): ConfigHints {
  for (const [key, fine] of needed)
    if (key in config && !fine.includes(config[key]))
      throw new UserError(
        `${file}: ${key} is ${JSON.stringify(config[key])}, this engine has ${fine.map((v) => JSON.stringify(v)).join(" or ")}; use a DDPM such as google/ddpm-ema-celebahq-256`,
      );
  const resolution = number(config.sample_size);
  const eps = number(config.norm_eps);
  const groups = number(config.norm_num_groups);
  const headChannels = number(config.attention_head_dim);
  return {
    ...(resolution ? { resolution } : {}),
    ...(eps ? { eps } : {}),
    ...(groups ? { groups } : {}),
    ...(headChannels ? { headChannels } : {}),
  };
}

/** What our own files say of themselves: `config`, a UNetConfig as JSON, in the safetensors metadata. */
export function metadataHints(metadata: Readonly<Record<string, string>>, file: string): ConfigHints {
  if (metadata.config === undefined) return {};
  let config: unknown;
  try {
    config = JSON.parse(metadata.config);
  } catch {
    throw new UserError(`${file}: its metadata "config" is not JSON; re-save the file`);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) return {};
  const { resolution, eps, groups, headChannels, heads, qkvOrder } = config as Record<string, unknown>;
  return {
    ...(number(resolution) ? { resolution: resolution as number } : {}),
    ...(number(eps) ? { eps: eps as number } : {}),
    ...(number(groups) ? { groups: groups as number } : {}),
    ...(headChannels === 0 || number(headChannels) ? { headChannels: headChannels as number } : {}),
    ...(number(heads) ? { heads: heads as number } : {}),
    ...(qkvOrder === "legacy" || qkvOrder === "new" ? { qkvOrder } : {}),
  };
}

/** `config.json` beside the weights, when there is one. Larger than 1 MB or not JSON: as if there were none. */
export async function sideConfig(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<Record<string, unknown> | undefined> {
  const side = await source.sibling?.("config.json", signal);
  if (!side) return undefined;
  try {
    if (side.size > 2 ** 20) return undefined;
    const config: unknown = JSON.parse(new TextDecoder().decode(await side.read(0, side.size, signal)));
    return typeof config === "object" && config !== null ? (config as Record<string, unknown>) : undefined;
  } catch (error) {
    if (signal?.aborted) throw error;
    return undefined;
  } finally {
    side.close?.();
  }
}
