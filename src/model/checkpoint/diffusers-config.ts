import { UserError } from "../../errors";
import type { DdpmConfig } from "../config";
import type { Settings } from "./settings";

/** A JSON object as it stands in a file. */
export type Json = Readonly<Record<string, unknown>>;

/** Facts of a config that shapes give too, by upstream key: the two are compared. */
export type Facts = Partial<
  Pick<
    DdpmConfig,
    | "inChannels"
    | "outChannels"
    | "resBlocks"
    | "attention"
    | "upAttention"
    | "midAttention"
    | "resDown"
    | "resUp"
    | "scaleShift"
    | "embeddingChannels"
    | "classes"
  >
> & { readonly widths?: readonly number[] };

interface Rule {
  readonly key: string;
  /** value that an absent key stands for */
  readonly absent: unknown;
  /** values this engine has, in words, for the table in docs/checkpoints.md */
  readonly supported: string;
  readonly allows: (value: unknown) => boolean;
}

const whole = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1;
const positive = (value: unknown): value is number => typeof value === "number" && value > 0 && value < Infinity;
const flag = (value: unknown): value is boolean => typeof value === "boolean";
const oneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value);
const listOf = (value: unknown, item: (v: unknown) => boolean): boolean =>
  Array.isArray(value) && value.length >= 1 && value.length <= 16 && value.every(item);
const orNull = (allows: (value: unknown) => boolean) => (value: unknown) => value === null || allows(value);

const downBlocks = ["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"];
const upBlocks = ["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"];
const names = (values: readonly string[]) => values.map((v) => `\`${v}\``).join(", ");

/** Every setting of UNet2DModel.   diffusers src/diffusers/models/unets/unet_2d.py, 0.1 to 0.33 */
export const rules: readonly Rule[] = [
  {
    key: "sample_size",
    absent: null,
    supported: "a whole number, [height, width]; null with `--resolution`",
    allows: orNull((v) => whole(v) || (listOf(v, whole) && (v as unknown[]).length === 2)),
  },
  { key: "in_channels", absent: 3, supported: "any", allows: whole },
  { key: "out_channels", absent: 3, supported: "any", allows: whole },
  { key: "center_input_sample", absent: false, supported: "any", allows: flag },
  { key: "time_embedding_type", absent: "positional", supported: "`positional`", allows: oneOf("positional") },
  { key: "time_embedding_dim", absent: null, supported: "any", allows: orNull(whole) },
  { key: "freq_shift", absent: 0, supported: "any number from 0", allows: (v) => v === 0 || positive(v) },
  { key: "flip_sin_to_cos", absent: true, supported: "any", allows: flag },
  {
    key: "down_block_types",
    absent: ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    supported: names(downBlocks),
    allows: (v) => listOf(v, oneOf(...downBlocks)),
  },
  { key: "mid_block_type", absent: "UNetMidBlock2D", supported: "`UNetMidBlock2D`", allows: oneOf("UNetMidBlock2D") },
  {
    key: "up_block_types",
    absent: ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    supported: names(upBlocks),
    allows: (v) => listOf(v, oneOf(...upBlocks)),
  },
  { key: "block_out_channels", absent: [224, 448, 672, 896], supported: "any", allows: (v) => listOf(v, whole) },
  { key: "layers_per_block", absent: 2, supported: "any", allows: whole },
  { key: "mid_block_scale_factor", absent: 1, supported: "any positive number", allows: positive },
  { key: "downsample_padding", absent: 1, supported: "0, 1", allows: oneOf(0, 1) },
  { key: "downsample_type", absent: "conv", supported: "`conv`, `resnet`", allows: oneOf("conv", "resnet", null) },
  { key: "upsample_type", absent: "conv", supported: "`conv`, `resnet`", allows: oneOf("conv", "resnet", null) },
  { key: "dropout", absent: 0, supported: "any: nothing at inference", allows: (v) => typeof v === "number" },
  {
    key: "act_fn",
    absent: "silu",
    supported: "`silu`, `swish`, `mish`, `gelu`, `relu`",
    allows: oneOf("silu", "swish", "mish", "gelu", "relu"),
  },
  { key: "attention_head_dim", absent: 8, supported: "any; null is one head", allows: orNull(whole) },
  { key: "norm_num_groups", absent: 32, supported: "any divisor of the widths", allows: whole },
  { key: "attn_norm_num_groups", absent: null, supported: "any divisor of the middle's width", allows: orNull(whole) },
  { key: "norm_eps", absent: 1e-5, supported: "any positive number", allows: positive },
  {
    key: "resnet_time_scale_shift",
    absent: "default",
    supported: "`default`, `scale_shift`",
    allows: oneOf("default", "scale_shift"),
  },
  { key: "add_attention", absent: true, supported: "any", allows: flag },
  { key: "class_embed_type", absent: null, supported: "null, `timestep`", allows: oneOf(null, "timestep") },
  { key: "num_class_embeds", absent: null, supported: "any", allows: orNull(whole) },
  { key: "num_train_timesteps", absent: null, supported: "any: of learned embeddings only", allows: orNull(whole) },
];

/** Keys that an EMA's folder has besides. */
const emaKeys = [
  "decay",
  "inv_gamma",
  "min_decay",
  "optimization_step",
  "power",
  "update_after_step",
  "use_ema_warmup",
];

/** Reads a diffusers `config.json`.
 *  @throws UserError naming the first setting this engine does not have, with its value. */
export function readDiffusersConfig(config: Json, file: string): { settings: Settings; facts: Facts } {
  const refuse = (key: string, why: string): never => {
    throw new UserError(`${file}: ${key} is ${JSON.stringify(config[key])}; ${why}`);
  };
  if (!oneOf(undefined, "UNet2DModel", "DDPM")(config._class_name))
    refuse("_class_name", "this engine runs UNet2DModel in pixel space, for example hf:google/ddpm-ema-celebahq-256");
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith("_") || emaKeys.includes(key)) continue;
    const rule = rules.find((r) => r.key === key);
    if (!rule && value !== null && value !== false) refuse(key, "no setting of UNet2DModel that this engine knows");
    if (rule && !rule.allows(value)) refuse(key, `supported: ${rule.supported.replaceAll("`", "")}`);
  }
  const at = <T>(key: string): T => (key in config ? config[key] : rules.find((r) => r.key === key)!.absent) as T;
  const widths = at<readonly number[]>("block_out_channels");
  const [down, up] = [at<readonly string[]>("down_block_types"), at<readonly string[]>("up_block_types")];
  for (const [key, types] of [
    ["down_block_types", down],
    ["up_block_types", up],
  ] as const)
    if (types.length !== widths.length)
      throw new UserError(
        `${file}: ${types.length} ${key} for ${widths.length} block_out_channels; expected one for each`,
      );
  const last = widths.length - 1;
  const levels = widths.map((_, l) => l);
  const upAt = (l: number) => up[last - l]!;
  const resampler = (type: string, attended: string, res: string, key: string) =>
    type === res || (type === attended && at(key) === "resnet");
  const size = at<number | readonly [number, number] | null>("sample_size");
  const [height, width] = typeof size === "number" ? [size, size] : (size ?? []);
  const activation = at<string>("act_fn");
  const midGroups = at<number | null>("attn_norm_num_groups");
  const given = <T>(key: string, value: T): T | undefined => (key in config ? value : undefined);
  return {
    settings: {
      ...(height && width && { height, width }),
      groups: given("norm_num_groups", at<number>("norm_num_groups")),
      eps: given("norm_eps", at<number>("norm_eps")),
      headChannels: given("attention_head_dim", at<number | null>("attention_head_dim") ?? 0),
      pad: given("downsample_padding", at("downsample_padding") === 0 ? "asymmetric" : "same"),
      ...(("flip_sin_to_cos" in config || "freq_shift" in config) && {
        embedding: { order: at("flip_sin_to_cos") ? "cos-sin" : "sin-cos", shift: at<number>("freq_shift") },
      }),
      activation: given("act_fn", activation === "swish" ? "silu" : (activation as DdpmConfig["activation"])),
      midScale: given("mid_block_scale_factor", at<number>("mid_block_scale_factor")),
      centerInput: given("center_input_sample", at<boolean>("center_input_sample")),
      ...(midGroups !== null && { midGroups }),
    } as Settings,
    facts: {
      inChannels: at("in_channels"),
      outChannels: at("out_channels"),
      widths,
      resBlocks: at("layers_per_block"),
      attention: levels.filter((l) => down[l] === "AttnDownBlock2D"),
      upAttention: levels.filter((l) => upAt(l) === "AttnUpBlock2D"),
      midAttention: at("add_attention"),
      resDown: levels.filter(
        (l) => l < last && resampler(down[l]!, "AttnDownBlock2D", "ResnetDownsampleBlock2D", "downsample_type"),
      ),
      resUp: levels.filter(
        (l) => l > 0 && resampler(upAt(l), "AttnUpBlock2D", "ResnetUpsampleBlock2D", "upsample_type"),
      ),
      scaleShift: at("resnet_time_scale_shift") === "scale_shift",
      embeddingChannels: at<number | null>("time_embedding_dim") ?? 4 * widths[0]!,
      classes: at("class_embed_type") === null ? (at<number | null>("num_class_embeds") ?? 0) : 0,
    },
  };
}

/** Upstream keys behind each fact, for messages. */
const keysOf: Readonly<Record<keyof Facts, string>> = {
  inChannels: "in_channels",
  outChannels: "out_channels",
  widths: "block_out_channels",
  resBlocks: "layers_per_block",
  attention: "down_block_types",
  upAttention: "up_block_types",
  midAttention: "add_attention",
  resDown: "down_block_types and downsample_type",
  resUp: "up_block_types and upsample_type",
  scaleShift: "resnet_time_scale_shift",
  embeddingChannels: "time_embedding_dim",
  classes: "num_class_embeds",
};

const meanings: Partial<Readonly<Record<keyof Facts, string>>> = {
  attention: "attention at levels",
  upAttention: "attention on the way up at levels",
  midAttention: "attention in the middle",
  resDown: "res blocks that halve at levels",
  resUp: "res blocks that double at levels",
  scaleShift: "scale and shift",
};

/** @throws UserError for the first thing that a config says otherwise than the shapes, with both values. */
export function compareFacts(stated: Facts, found: Required<Facts>, file: string): void {
  for (const key of Object.keys(keysOf) as (keyof Facts)[]) {
    const [says, has] = [stated[key], found[key]].map((value) => JSON.stringify(value));
    if (stated[key] === undefined || says === has) continue;
    const what = meanings[key] ? ` (${meanings[key]})` : "";
    throw new UserError(
      `${file}: ${keysOf[key]} gives ${says}${what}, the weights have ${has}; the config is of another network`,
    );
  }
}
