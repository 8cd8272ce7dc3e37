import { UserError } from "../../errors";
import { type AdmConfig, type DdpmConfig, headsOf, qkvRowsOf, type UNetConfig, widthOf } from "../config";
import type { TensorInfo } from "./container";
import type { Facts } from "./diffusers-config";
import { expectedTensors } from "./expected";
import { inferLucidrains, type LucidrainsFound, lucidrainsHeads } from "./lucidrains";
import { type Layer, mergeLayers, type Provenance, type Settings } from "./settings";

type Tensors = ReadonlyMap<string, TensorInfo>;

/** Choosing kernels takes time in proportion to the pixels, and no network of this kind is larger. */
const MAX_SIDE = 4096;

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

/** Facts of a network that shapes give; the rest are settings. */
export type Found = Omit<DdpmConfig, keyof Settings | "midGroups"> | Omit<AdmConfig, keyof Settings> | LucidrainsFound;

/** Reads the facts that canonical names and shapes give. @throws UserError when there is no U-Net in them. */
export function inferFacts(tensors: Tensors): Found {
  if (tensors.has("init_conv.weight"))
    return inferLucidrains(
      tensors,
      (name, axis) => size(tensors, name, axis),
      (name) => run(tensors, name),
    );
  return tensors.has("conv_in.weight") ? inferDdpm(tensors) : inferAdm(tensors);
}

/** Shapes and settings, put together.
 *  @param layers settings, strongest first
 *  @throws UserError when the size of pictures is said nowhere, or does not halve as often as the network does. */
export function configOf(tensors: Tensors, layers: readonly Layer[]): { config: UNetConfig; from: Provenance } {
  const found = inferFacts(tensors);
  const { settings, from } = mergeLayers(layers);
  const { height, width } = settings;
  if (height === undefined || width === undefined)
    throw new UserError("the size of its pictures is said nowhere; give it (resolution, --resolution)");
  const largest = Math.max(width, height);
  if (largest > MAX_SIDE)
    throw new UserError(`a resolution of ${largest} pixels is too large; at most ${MAX_SIDE} can be run`);
  const halvings = found.channelMult.length - 1;
  for (const side of new Set([width, height]))
    if (side % 2 ** halvings !== 0)
      throw new UserError(
        `a resolution of ${height === width ? side : `${width}x${height}`} does not halve ${halvings} times`,
      );
  const common = { height, width, groups: settings.groups!, eps: settings.eps!, headChannels: settings.headChannels! };
  const heads = settings.heads ? { heads: settings.heads } : {};
  if (found.family === "adm") {
    const { headsUp, qkvOrder } = settings;
    const own = { ...(headsUp && { headsUp }), qkvOrder: qkvOrder! };
    return { config: { ...found, ...common, ...heads, ...own }, from: only(from, { ...common, ...heads, ...own }) };
  }
  if (found.family === "lucidrains") {
    const { attentionNorm, dividedValues } = settings;
    const own = { attentionNorm: attentionNorm!, dividedValues: dividedValues! };
    const known = lucidrainsHeads(tensors, (name, axis) => size(tensors, name, axis), settings);
    const said = { ...common, ...heads, ...own };
    const places = from.headChannels || from.heads ? from : { ...from, headChannels: "lucidrains' defaults" };
    const shown = tensors.has("mid_attn.mem_kv") ? { ...from } : places;
    return { config: { ...found, ...common, ...own, ...known }, from: only(shown, said) };
  }
  const { pad, embedding, activation, midScale, centerInput, attentionResidual } = settings;
  const own = {
    pad: pad!,
    embedding: embedding!,
    activation: activation!,
    midScale: midScale!,
    centerInput: centerInput!,
    ...(attentionResidual === "normalised" && { attentionResidual }),
    midGroups: tensors.has("mid.attn_1.norm.weight") ? settings.midGroups || settings.groups! : 0,
  };
  const partial: DdpmConfig = { ...found, ...common, ...heads, ...own, qkvRows: "channels" };
  const config: DdpmConfig = { ...partial, qkvRows: qkvRowsIn(tensors, partial) };
  const { midGroups: _, ...said } = own;
  return { config, from: only(from, { ...common, ...heads, ...said, ...(settings.midGroups && { midGroups: 0 }) }) };
}

const only = (from: Provenance, keys: object): Provenance =>
  Object.fromEntries(Object.entries(from).filter(([key]) => key in keys));

/** q, k and v of diffusers since 0.17 have rows for whole heads only; before, and in DDPM's own files, one a channel. */
function qkvRowsIn(tensors: Tensors, config: DdpmConfig): DdpmConfig["qkvRows"] {
  for (const [name, { shape }] of tensors)
    if (/\.attn(?:\.\d+|_1)\.q\.weight$/.test(name) && shape[0] !== shape[1])
      return qkvRowsOf({ ...config, qkvRows: "heads" }, shape[1]!) === shape[0] ? "heads" : "channels";
  return "channels";
}

/** @throws UserError for heads that do not divide the channels, and groups that do not. */
export function checkConfig(config: UNetConfig): void {
  if (config.family !== "lucidrains") checkHeads(config);
  checkGroups(config);
}

function checkHeads(config: DdpmConfig | AdmConfig): void {
  const levels = new Set([...config.attention, ...(config.family === "ddpm" ? config.upAttention : [])]);
  if (config.family === "adm" || config.midAttention) levels.add(config.channelMult.length - 1);
  for (const channels of new Set([...levels].map((l) => widthOf(config, l))))
    for (const up of [false, true]) {
      const heads = headsOf(config, channels, up);
      const rows = qkvRowsOf(config, channels);
      const wide = config.family === "adm" && config.headChannels > 0 && channels % config.headChannels !== 0;
      if (heads >= 1 && rows % heads === 0 && !wide) continue;
      throw new UserError(
        config.headChannels > 0
          ? `attention over ${channels} channels does not divide into heads of ${config.headChannels}; the head width is not in the weights, give it (headChannels, --head-channels)`
          : `attention over ${channels} channels does not divide into ${heads} heads; give the right number (heads, --heads)`,
      );
    }
}

function checkGroups(config: UNetConfig): void {
  for (const [name, [channels = 0]] of expectedTensors(config)) {
    if (!/(?:^|\.)(?:norm\d?|norm_out|(?:in|out)_layers\.0|out\.0)\.weight$/.test(name)) continue;
    const groups = name === "mid.attn_1.norm.weight" && config.family === "ddpm" ? config.midGroups : config.groups;
    if (channels % groups !== 0)
      throw new UserError(
        `${groups} groups do not divide the ${channels} channels of ${name.replace(/\.weight$/, "")}; give the number of group norm's groups (groups, --groups)`,
      );
  }
}

/** Facts that shapes give, in the terms of a diffusers config. */
export const factsOf = (c: Omit<DdpmConfig, keyof Settings | "midGroups">): Required<Facts> => ({
  ...c,
  widths: c.channelMult.map((_, l) => widthOf(c, l)),
});

function inferDdpm(tensors: Tensors): Omit<DdpmConfig, keyof Settings | "midGroups"> {
  const has = (name: string) => tensors.has(`${name}.weight`);
  // Any tensor of a module says that it is there, so that a missing one is an error and not another network.
  const hasAny = (module: string) => [...tensors.keys()].some((name) => name.startsWith(`${module}.`));
  const channels = size(tensors, "conv_in.weight", 0);
  const levels = run(tensors, (l) => `down.${l}.block.0.conv1.weight`);
  if (levels === 0) broken("down.0.block.0.conv1.weight is missing");
  const all = Array.from({ length: levels }, (_, l) => l);
  const resDown = all.filter((l) => has(`down.${l}.downsample.conv1`));
  const resUp = all.filter((l) => has(`up.${l}.upsample.conv1`));
  const table = has("class_embedding");
  const rows = size(tensors, "down.0.block.0.temb_proj.weight", 0);
  const frequencies = tensors.has("temb.frequencies") ? size(tensors, "temb.frequencies", 0) : undefined;
  return {
    family: "ddpm",
    inChannels: size(tensors, "conv_in.weight", 1),
    outChannels: size(tensors, "conv_out.weight", 0),
    channels,
    channelMult: all.map((l) => size(tensors, `down.${l}.block.0.conv1.weight`, 0) / channels),
    resBlocks: run(tensors, (j) => `down.0.block.${j}.conv1.weight`),
    attention: all.filter((l) => hasAny(`down.${l}.attn.0`)),
    upAttention: all.filter((l) => hasAny(`up.${l}.attn.0`)),
    midAttention: hasAny("mid.attn_1"),
    qkvRows: "channels",
    resDown,
    resUp,
    scaleShift: rows === 2 * size(tensors, "down.0.block.0.conv1.weight", 0),
    embeddingChannels: size(tensors, "temb.dense.0.weight", 0),
    ...(frequencies && { frequencies }),
    convResample: all.slice(1).every((l) => resDown.includes(l - 1) || has(`down.${l - 1}.downsample.conv`)),
    classes: table ? size(tensors, "class_embedding.weight", 0) : 0,
    classEmbedding: has("class_embedding.linear_1") ? "timestep" : "table",
  };
}

/** Layout C numbers its entries through all levels, so levels are told apart by what ends them: a res block that
 *  resamples looks like any other, but on the way up it is a second res block in its entry. */
function inferAdm(tensors: Tensors): Omit<AdmConfig, keyof Settings> {
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
