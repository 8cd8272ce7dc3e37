import { UserError } from "../../errors";
import type { UNetConfig } from "../config";
import type { TensorInfo } from "./container";

type Tensors = ReadonlyMap<string, TensorInfo>;

/** What weights do not tell; a side file or the caller may. */
export interface ConfigHints {
  readonly resolution?: number;
  /** Width of one attention head; ADM's default is 64. */
  readonly headChannels?: number;
  /** Number of heads, where their width depends on the level (instead of `headChannels`). */
  readonly heads?: number;
  readonly qkvOrder?: "legacy" | "new";
  readonly groups?: number;
  readonly eps?: number;
}

/** Choosing kernels takes time in proportion to the pixels, and no network of this kind is larger. */
const MAX_RESOLUTION = 4096;

/** The paper's ADM files all have heads of this width. */
export const ADM_HEAD_CHANNELS = 64;

const broken: (what: string) => never = (what) => {
  throw new UserError(`the tensors are no complete U-Net (${what}); the file is incomplete or of another network`);
};

/** Size `axis` of a tensor. @throws UserError when it is missing */
function size(tensors: Tensors, name: string, axis: number): number {
  const shape = tensors.get(name)?.shape;
  const d = shape?.[axis];
  if (d === undefined) broken(shape ? `${name} is [${shape.join(", ")}]` : `${name} is missing`);
  if (d < 1 || d > 65536) broken(`${name} is [${shape?.join(", ")}]`);
  return d;
}

/** How many of `name(0)`, `name(1)`, ... are there. */
function run(tensors: Tensors, name: (i: number) => string): number {
  let n = 0;
  while (n < 64 && tensors.has(name(n))) n++;
  return n;
}

/** Images of the paper's models at attention level 0: they attend at 16 pixels, or at 32, 16 and 8. A file of another
 *  family of sizes needs the hint. */
export const guessResolution = (attention: readonly number[]): number | undefined =>
  attention.length === 0 ? undefined : (attention.length > 2 ? 32 : 16) * 2 ** Math.min(...attention);

/** The configuration that canonical names and shapes tell, completed by `hints`.
 *  @throws UserError when there is no U-Net in the shapes, or heads do not divide the channels. */
export function inferConfig(tensors: Tensors, hints: ConfigHints = {}): UNetConfig {
  const config = inferShape(tensors, hints);
  const attended = [...config.attention, config.channelMult.length - 1].map(
    (l) => config.channels * config.channelMult[l]!,
  );
  const odd = attended.find((c) =>
    config.headChannels > 0 ? c % config.headChannels !== 0 : c % (config.heads ?? 1) !== 0,
  );
  if (odd !== undefined)
    throw new UserError(
      config.headChannels > 0
        ? `attention over ${odd} channels does not divide into heads of ${config.headChannels}; the head width is not in the weights, give it (headChannels, --head-channels)`
        : `attention over ${odd} channels does not divide into ${config.heads} heads; give the right number (heads)`,
    );
  return config;
}

/** As `inferConfig`, without judging the head width. */
export function inferShape(tensors: Tensors, hints: ConfigHints = {}): UNetConfig {
  const found = tensors.has("conv_in.weight") ? inferDdpm(tensors) : inferAdm(tensors);
  const adm = found.family === "adm";
  const resolution = hints.resolution ?? guessResolution(found.attention) ?? 256;
  if (resolution > MAX_RESOLUTION)
    throw new UserError(`a resolution of ${resolution} pixels is too large; at most ${MAX_RESOLUTION} can be run`);
  const deep = 2 ** (found.channelMult.length - 1);
  if (!Number.isInteger(resolution / deep))
    throw new UserError(`a resolution of ${resolution} does not halve ${found.channelMult.length - 1} times`);
  return {
    ...found,
    resolution,
    groups: hints.groups ?? 32,
    eps: hints.eps ?? (adm ? 1e-5 : 1e-6),
    headChannels: hints.headChannels ?? (hints.heads || !adm ? 0 : ADM_HEAD_CHANNELS),
    ...(hints.heads ? { heads: hints.heads } : {}),
    qkvOrder: hints.qkvOrder ?? "legacy",
  };
}

type Found = Omit<UNetConfig, "resolution" | "groups" | "eps" | "headChannels" | "heads" | "qkvOrder">;

function inferDdpm(tensors: Tensors): Found {
  const channels = size(tensors, "conv_in.weight", 0);
  const levels = run(tensors, (l) => `down.${l}.block.0.conv1.weight`);
  if (levels === 0) broken("down.0.block.0.conv1.weight is missing");
  const all = Array.from({ length: levels }, (_, l) => l);
  return {
    family: "ddpm",
    inChannels: size(tensors, "conv_in.weight", 1),
    outChannels: size(tensors, "conv_out.weight", 0),
    channels,
    channelMult: all.map((l) => size(tensors, `down.${l}.block.0.conv1.weight`, 0) / channels),
    resBlocks: run(tensors, (j) => `down.0.block.${j}.conv1.weight`),
    attention: all.filter((l) => tensors.has(`down.${l}.attn.0.q.weight`)),
    scaleShift: false,
    resblockUpdown: false,
    convResample: levels === 1 || tensors.has("down.0.downsample.conv.weight"),
    classes: 0,
  };
}

/** Layout C numbers its entries through all levels, so levels are told apart by what ends them: a res block that
 *  resamples looks like any other, but on the way up it is a second res block in its entry. */
function inferAdm(tensors: Tensors): Found {
  const channels = size(tensors, "time_embed.0.weight", 1);
  let entries = 0;
  const opens: number[] = []; // entries that resample with a convolution
  for (const name of tensors.keys()) {
    const k = Number(/^input_blocks\.(\d{1,3})\./.exec(name)?.[1] ?? -1);
    entries = Math.max(entries, k + 1);
    if (name.endsWith(".0.op.weight")) opens.push(k);
  }
  const isRes = (k: number) => tensors.has(`input_blocks.${k}.0.in_layers.2.weight`);
  const ups = [...tensors.keys()].filter((name) =>
    /^output_blocks\.\d+\.[12]\.in_layers\.2\.weight$/.test(name),
  ).length;
  const gaps = Array.from({ length: entries }, (_, k) => k).filter((k) => k > 0 && !isRes(k) && !opens.includes(k));
  const resblockUpdown = ups > 0;
  const levels = 1 + (resblockUpdown ? ups : opens.length + gaps.length);
  const resBlocks = entries / levels - 1; // entries = stem + levels * resBlocks + (levels - 1) = levels * (resBlocks + 1)
  if (!Number.isInteger(resBlocks) || resBlocks < 1) broken(`${entries} input blocks for ${levels} levels`);
  const first = (l: number) => 1 + l * (resBlocks + 1);
  const all = Array.from({ length: levels }, (_, l) => l);
  const leaf = `input_blocks.1.0.emb_layers.1.weight`;
  return {
    family: "adm",
    inChannels: size(tensors, "input_blocks.0.0.weight", 1),
    outChannels: size(tensors, "out.2.weight", 0),
    channels,
    channelMult: all.map((l) => size(tensors, `input_blocks.${first(l)}.0.in_layers.2.weight`, 0) / channels),
    resBlocks,
    attention: all.filter((l) => tensors.has(`input_blocks.${first(l)}.1.qkv.weight`)),
    scaleShift: size(tensors, leaf, 0) === 2 * size(tensors, "input_blocks.1.0.in_layers.2.weight", 0),
    resblockUpdown,
    convResample: !(gaps.length > 0 && opens.length === 0),
    classes: tensors.has("label_emb.weight") ? size(tensors, "label_emb.weight", 0) : 0,
  };
}
