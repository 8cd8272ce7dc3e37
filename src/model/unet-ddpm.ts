import type { GraphBuilder } from "../graph/graph";
import { type DdpmConfig, headsOf, isConditional, qkvRowsOf, widthOf } from "./config";
import type { NetworkOp } from "./ops";
import { Blocks, type Running } from "./unet-blocks";

const layers = {
  norm1: "norm1",
  conv1: "conv1",
  embedding: "temb_proj",
  norm2: "norm2",
  conv2: "conv2",
  shortcut: "nin_shortcut",
} as const;

/** The DDPM U-Net, layer names as in the official checkpoints (`down.0.block.0.norm1`), with all that diffusers'
 *  UNet2DModel adds to it. Time MLP, stem, L levels down, middle, L levels up with skips, head.
 *  Ho et al. 2020, appendix B; diffusers src/diffusers/models/unets/unet_2d.py */
export function ddpmUNet(config: DdpmConfig, b: GraphBuilder<NetworkOp>): { h: string; g: string; eps: string } {
  const { channels, channelMult, resBlocks, groups, eps, scaleShift, activation, midScale } = config;
  const levels = channelMult.length;
  const width = (level: number) => widthOf(config, level);
  const embedding = embed(config, b);
  const blocks = new Blocks(b, { groups, eps, scaleShift, activation, layers, projections: "temb_proj", embedding });

  const attention = (path: string, { name: x, channels: c }: Running, { midGroups = groups, divide = 1 } = {}) => {
    const kept = config.attentionResidual === "normalised";
    const layer = `${path}.norm`;
    const applied = { kind: "groupNorm", layer, groups: midGroups, eps, apply: true } as const;
    const from = kept ? b.add(layer, applied, { x }) : x;
    const norm = midGroups > 0 && !kept ? blocks.norm(layer, x, undefined, midGroups) : undefined;
    const parts = ["q", "k", "v"].map((part) => `${path}.${part}`);
    const qkv = b.add(
      `${path}.qkv`,
      { kind: "conv", kernel: 1, layers: parts, channels: 3 * qkvRowsOf(config, c) },
      { x: from, norm },
    );
    const y = b.add(`${path}.attention`, { kind: "attention", heads: headsOf(config, c), order: "new" }, { qkv });
    const proj = `${path}.proj_out`;
    const end = divide === 1 ? path : proj;
    b.add(proj, { kind: "conv", kernel: 1, layers: [proj], channels: c }, { x: y, residual: from }, end);
    return { name: blocks.divided(path, end, divide), channels: c };
  };

  const seen = config.centerInput ? b.add("centered", { kind: "affine", scale: 2, shift: -1 }, { x: "x" }) : "x";
  let x: Running = {
    name: b.add("conv_in", { kind: "conv", kernel: 3, layers: ["conv_in"], channels }, { x: seen }),
    channels,
  };
  const skips = [x];
  for (let l = 0; l < levels; l++) {
    for (let j = 0; j < resBlocks; j++) {
      x = blocks.res(`down.${l}.block.${j}`, x, width(l));
      if (config.attention.includes(l)) x = attention(`down.${l}.attn.${j}`, x);
      skips.push(x);
    }
    if (l === levels - 1) break;
    x = down(`down.${l}.downsample`, x, l);
    skips.push(x);
  }

  const g = x.name;
  x = blocks.res("mid.block_1", x, x.channels, { divide: midScale });
  if (config.midAttention) x = attention("mid.attn_1", x, { midGroups: config.midGroups, divide: midScale });
  x = blocks.res("mid.block_2", x, x.channels, { divide: midScale });
  const h = x.name;

  for (let l = levels - 1; l >= 0; l--) {
    for (let j = 0; j <= resBlocks; j++) {
      x = blocks.res(`up.${l}.block.${j}`, x, width(l), { skip: skips.pop()! });
      if (config.upAttention.includes(l)) x = attention(`up.${l}.attn.${j}`, x);
    }
    if (l > 0) x = up(`up.${l}.upsample`, x, l);
  }

  const norm = blocks.norm("norm_out", x.name);
  const head = { kind: "conv", kernel: 3, layers: ["conv_out"], channels: config.outChannels, silu: true } as const;
  return { h, g, eps: b.add("conv_out", head, { x: x.name, norm }, "eps") };

  function down(path: string, x: Running, l: number): Running {
    if (config.resDown.includes(l)) return blocks.res(path, x, x.channels, { resample: "down" });
    if (!config.convResample) return { ...x, name: b.add(path, { kind: "avgPool2" }, { x: x.name }) };
    const layer = `${path}.conv`;
    const conv = {
      kind: "conv",
      kernel: 3,
      layers: [layer],
      channels: x.channels,
      stride: 2,
      pad: config.pad,
    } as const;
    return { ...x, name: b.add(layer, conv, { x: x.name }, path) };
  }

  function up(path: string, x: Running, l: number): Running {
    if (config.resUp.includes(l)) return blocks.res(path, x, x.channels, { resample: "up" });
    if (!config.convResample) return { ...x, name: b.add(path, { kind: "upsample2x" }, { x: x.name }) };
    const layer = `${path}.conv`;
    const conv = { kind: "conv", kernel: 3, layers: [layer], channels: x.channels, upsample: true } as const;
    return { ...x, name: b.add(layer, conv, { x: x.name }, path) };
  }
}

/** The embedding of the time step, plus that of the class where there are classes. */
function embed(config: DdpmConfig, b: GraphBuilder<NetworkOp>): string {
  const { channels, embedding, embeddingChannels: rows, classes, frequencies } = config;
  const given = frequencies && { channels: 2 * frequencies, frequencies: "temb.frequencies" };
  const sinusoids = { kind: "timeEmbedding", channels, ...embedding, ...given } as const;
  const mlp = (first: string, second: string, x: string): string => {
    const hidden = b.add(first, { kind: "linear", layers: [{ layer: first, rows }], siluOut: true }, { x });
    return b.add(second, { kind: "linear", layers: [{ layer: second, rows }] }, { x: hidden });
  };
  const time = mlp("temb.dense.0", "temb.dense.1", b.add("temb", sinusoids, { steps: "steps" }));
  if (!isConditional(config)) return time;
  const name = "class_embedding";
  if (config.classEmbedding === "table")
    return b.add(name, { kind: "label", layer: name, rows: classes }, { x: time, labels: "labels" });
  const label = b.add(`${name}.sinusoids`, sinusoids, { labels: "labels" });
  const own = mlp(`${name}.linear_1`, `${name}.linear_2`, label);
  return b.add(name, { kind: "add" }, { x: time, y: own });
}
