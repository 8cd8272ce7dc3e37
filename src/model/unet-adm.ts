import type { GraphBuilder } from "../graph/graph";
import { type AdmConfig, headsOf, widthOf } from "./config";
import type { NetworkOp } from "./ops";
import { Blocks, type Running } from "./unet-blocks";

const layers = {
  norm1: "in_layers.0",
  conv1: "in_layers.2",
  embedding: "emb_layers.1",
  norm2: "out_layers.0",
  conv2: "out_layers.3",
  shortcut: "skip_connection",
} as const;

/** The ADM U-Net (guided, improved and P2 diffusion, ILVR), layer names as in the official checkpoints
 *  (`input_blocks.1.0.in_layers.0`).   Dhariwal & Nichol 2021 */
export function admUNet(config: AdmConfig, b: GraphBuilder<NetworkOp>): { h: string; g: string; eps: string } {
  const { channels, channelMult, resBlocks, groups, eps, scaleShift } = config;
  const levels = channelMult.length;
  const width = (level: number) => widthOf(config, level);
  const rows = 4 * channels;
  const sinusoid = b.add(
    "time_embed",
    { kind: "timeEmbedding", channels, order: "cos-sin", shift: 0 },
    { steps: "steps" },
  );
  const embed0 = b.add(
    "time_embed.0",
    { kind: "linear", layers: [{ layer: "time_embed.0", rows }], siluOut: true },
    { x: sinusoid },
  );
  let embedding = b.add("time_embed.2", { kind: "linear", layers: [{ layer: "time_embed.2", rows }] }, { x: embed0 });
  if (config.classes > 0)
    embedding = b.add(
      "label_emb",
      { kind: "label", layer: "label_emb", rows: config.classes },
      { x: embedding, labels: "labels" },
    );
  const shared = { groups, eps, scaleShift, activation: "silu" } as const;
  const blocks = new Blocks(b, { ...shared, layers, projections: "emb_layers", embedding });

  const attention = (path: string, { name: x, channels: c }: Running, goingUp: boolean): Running => {
    const norm = blocks.norm(`${path}.norm`, x);
    const qkv = b.add(
      `${path}.qkv`,
      { kind: "conv", kernel: 1, layers: [`${path}.qkv`], channels: 3 * c },
      { x, norm },
    );
    const heads = headsOf(config, c, goingUp);
    const y = b.add(`${path}.attention`, { kind: "attention", heads, order: config.qkvOrder }, { qkv });
    const proj = `${path}.proj_out`;
    b.add(proj, { kind: "conv", kernel: 1, layers: [proj], channels: c }, { x: y, residual: x }, path);
    return { name: path, channels: c };
  };

  const resample = (path: string, x: Running, way: "up" | "down"): Running => {
    if (config.resblockUpdown) return blocks.res(path, x, x.channels, { resample: way });
    const { channels: c } = x;
    if (!config.convResample) {
      b.add(path, { kind: way === "up" ? "upsample2x" : "avgPool2" }, { x: x.name });
    } else if (way === "down") {
      const layer = `${path}.op`;
      b.add(
        layer,
        { kind: "conv", kernel: 3, layers: [layer], channels: c, stride: 2, pad: "same" },
        { x: x.name },
        path,
      );
    } else {
      const layer = `${path}.conv`;
      b.add(layer, { kind: "conv", kernel: 3, layers: [layer], channels: c, upsample: true }, { x: x.name }, path);
    }
    return { name: path, channels: c };
  };

  const stem = "input_blocks.0.0";
  const c0 = width(0);
  let x: Running = {
    name: b.add(stem, { kind: "conv", kernel: 3, layers: [stem], channels: c0 }, { x: "x" }),
    channels: c0,
  };
  const skips = [x];
  let index = 1;
  for (let l = 0; l < levels; l++) {
    for (let j = 0; j < resBlocks; j++) {
      x = blocks.res(`input_blocks.${index}.0`, x, width(l));
      if (config.attention.includes(l)) x = attention(`input_blocks.${index}.1`, x, false);
      skips.push(x);
      index++;
    }
    if (l === levels - 1) break;
    x = resample(`input_blocks.${index}.0`, x, "down");
    skips.push(x);
    index++;
  }

  const g = x.name;
  x = blocks.res("middle_block.0", x, x.channels);
  x = attention("middle_block.1", x, false);
  x = blocks.res("middle_block.2", x, x.channels);
  const h = x.name;

  index = 0;
  for (let l = levels - 1; l >= 0; l--) {
    for (let j = 0; j <= resBlocks; j++) {
      let part = 0;
      x = blocks.res(`output_blocks.${index}.${part++}`, x, width(l), { skip: skips.pop()! });
      if (config.attention.includes(l)) x = attention(`output_blocks.${index}.${part++}`, x, true);
      if (l > 0 && j === resBlocks) x = resample(`output_blocks.${index}.${part++}`, x, "up");
      index++;
    }
  }

  const norm = blocks.norm("out.0", x.name);
  const head = { kind: "conv", kernel: 3, layers: ["out.2"], channels: config.outChannels, silu: true } as const;
  return { h, g, eps: b.add("out.2", head, { x: x.name, norm }, "eps") };
}
