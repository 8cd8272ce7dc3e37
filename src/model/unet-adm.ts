import type { GraphBuilder } from "../graph/graph";
import type { UNetConfig } from "./config";
import type { NetworkOp } from "./ops";

interface Running {
  readonly name: string;
  readonly channels: number;
}

/** The ADM U-Net (guided, improved and P2 diffusion, ILVR), layer names as in the official checkpoints
 *  (`input_blocks.1.0.in_layers.0`).   Dhariwal & Nichol 2021 */
export function admUNet(config: UNetConfig, b: GraphBuilder<NetworkOp>): { h: string; g: string; eps: string } {
  const { channels, channelMult, resBlocks, groups, eps, scaleShift } = config;
  const levels = channelMult.length;
  const width = (level: number) => Math.trunc(channels * channelMult[level]!);
  const nodes = planBlocks(config);

  // One layer computes the embedding of every res block.
  const offsets = new Map<string, number>();
  const perBlock = scaleShift ? 2 : 1;
  let columns = 0;
  for (const { path, out } of nodes) {
    offsets.set(path, columns);
    columns += out * perBlock;
  }
  const sinusoid = b.add("time_embed", { kind: "timeEmbedding", channels, order: "cos-sin" }, { steps: "steps" });
  const embed0 = b.add(
    "time_embed.0",
    { kind: "linear", layers: [{ layer: "time_embed.0", rows: 4 * channels }], siluOut: true },
    { x: sinusoid },
  );
  let embed = b.add(
    "time_embed.2",
    { kind: "linear", layers: [{ layer: "time_embed.2", rows: 4 * channels }] },
    { x: embed0 },
  );
  if (config.classes > 0)
    embed = b.add(
      "label_emb",
      { kind: "label", layer: "label_emb", rows: config.classes },
      { x: embed, labels: "labels" },
    );
  const emb = b.add(
    "emb_layers",
    {
      kind: "linear",
      layers: nodes.map(({ path, out }) => ({ layer: `${path}.emb_layers.1`, rows: out * perBlock })),
      siluIn: true,
    },
    { x: embed },
  );

  const resBlock = (path: string, x: Running, out: number, skip?: Running, updown?: "up" | "down"): Running => {
    const first = `${path}.in_layers.0`;
    const conv = `${path}.in_layers.2`;
    const offset = offsets.get(path)!;
    const added = scaleShift ? {} : { tembOffset: offset };
    const temb = scaleShift ? undefined : emb;
    const inputs = { x: x.name, skip: skip?.name };
    let h: string;
    let shortcut = x.name;
    if (updown === "down") {
      const act = b.add(first, { kind: "groupNorm", layer: first, groups, eps, apply: true, silu: true }, inputs);
      const half = b.add(`${path}.h_upd`, { kind: "avgPool2" }, { x: act });
      shortcut = b.add(`${path}.x_upd`, { kind: "avgPool2" }, { x: x.name });
      h = b.add(conv, { kind: "conv3x3", layer: conv, channels: out, ...added }, { x: half, temb });
    } else {
      const norm = b.add(first, { kind: "groupNorm", layer: first, groups, eps }, inputs);
      const upsample = updown === "up";
      if (upsample) shortcut = b.add(`${path}.x_upd`, { kind: "upsample2x" }, { x: x.name });
      h = b.add(
        conv,
        { kind: "conv3x3", layer: conv, channels: out, silu: true, upsample, ...added },
        { ...inputs, norm, temb },
      );
    }
    const second = `${path}.out_layers.0`;
    const norm2 = b.add(
      second,
      { kind: "groupNorm", layer: second, groups, eps, ...(scaleShift && { filmOffset: offset }) },
      { x: h, film: scaleShift ? emb : undefined },
    );
    const inChannels = x.channels + (skip?.channels ?? 0);
    if (inChannels !== out) {
      const layer = `${path}.skip_connection`;
      shortcut = b.add(layer, { kind: "conv1x1", layers: [layer], channels: out }, inputs);
    } else if (skip) shortcut = b.add(`${path}.input`, { kind: "concat" }, { x: x.name, skip: skip.name });
    const last = `${path}.out_layers.3`;
    const name = b.add(
      last,
      { kind: "conv3x3", layer: last, channels: out, silu: true },
      { x: h, norm: norm2, residual: shortcut },
      path,
    );
    return { name, channels: out };
  };

  const attention = (path: string, x: Running): Running => {
    const c = x.channels;
    const heads = config.headChannels > 0 ? c / config.headChannels : (config.heads ?? 1);
    const norm = b.add(`${path}.norm`, { kind: "groupNorm", layer: `${path}.norm`, groups, eps }, { x: x.name });
    const layers = [`${path}.qkv`];
    const qkv = b.add(`${path}.qkv`, { kind: "conv1x1", layers, channels: 3 * c }, { x: x.name, norm });
    const y = b.add(`${path}.attention`, { kind: "attention", heads, order: config.qkvOrder }, { qkv });
    const proj = `${path}.proj_out`;
    b.add(proj, { kind: "conv1x1", layers: [proj], channels: c }, { x: y, residual: x.name }, path);
    return { name: path, channels: c };
  };

  const resample = (path: string, x: Running, way: "up" | "down"): Running => {
    if (config.resblockUpdown) return resBlock(path, x, x.channels, undefined, way);
    const { channels: c } = x;
    if (!config.convResample) {
      b.add(path, { kind: way === "up" ? "upsample2x" : "avgPool2" }, { x: x.name });
    } else if (way === "down") {
      const layer = `${path}.op`;
      b.add(layer, { kind: "conv3x3", layer, channels: c, stride: 2, pad: "same" }, { x: x.name }, path);
    } else {
      const layer = `${path}.conv`;
      b.add(layer, { kind: "conv3x3", layer, channels: c, upsample: true }, { x: x.name }, path);
    }
    return { name: path, channels: c };
  };

  const stem = "input_blocks.0.0";
  const c0 = width(0);
  let x: Running = {
    name: b.add(stem, { kind: "conv3x3", layer: stem, channels: c0 }, { x: "x" }),
    channels: c0,
  };
  const skips = [x];
  let index = 1;
  for (let l = 0; l < levels; l++) {
    for (let j = 0; j < resBlocks; j++) {
      x = resBlock(`input_blocks.${index}.0`, x, width(l));
      if (config.attention.includes(l)) x = attention(`input_blocks.${index}.1`, x);
      skips.push(x);
      index++;
    }
    if (l === levels - 1) break;
    x = resample(`input_blocks.${index}.0`, x, "down");
    skips.push(x);
    index++;
  }

  const g = x.name;
  x = resBlock("middle_block.0", x, x.channels);
  x = attention("middle_block.1", x);
  x = resBlock("middle_block.2", x, x.channels);
  const h = x.name;

  index = 0;
  for (let l = levels - 1; l >= 0; l--) {
    for (let j = 0; j <= resBlocks; j++) {
      let part = 0;
      x = resBlock(`output_blocks.${index}.${part++}`, x, width(l), skips.pop()!);
      if (config.attention.includes(l)) x = attention(`output_blocks.${index}.${part++}`, x);
      if (l > 0 && j === resBlocks) x = resample(`output_blocks.${index}.${part++}`, x, "up");
      index++;
    }
  }

  const norm = b.add("out.0", { kind: "groupNorm", layer: "out.0", groups, eps }, { x: x.name });
  const head = { kind: "conv3x3", layer: "out.2", channels: config.outChannels, silu: true } as const;
  return { h, g, eps: b.add("out.2", head, { x: x.name, norm }, "eps") };
}

/** Every res block in checkpoint order with its width, resampling blocks included. */
function planBlocks(config: UNetConfig): { path: string; out: number }[] {
  const { channels, channelMult, resBlocks, resblockUpdown } = config;
  const levels = channelMult.length;
  const width = (level: number) => Math.trunc(channels * channelMult[level]!);
  const blocks: { path: string; out: number }[] = [];
  let index = 1;
  for (let l = 0; l < levels; l++) {
    for (let j = 0; j < resBlocks; j++) blocks.push({ path: `input_blocks.${index++}.0`, out: width(l) });
    if (l === levels - 1) break;
    if (resblockUpdown) blocks.push({ path: `input_blocks.${index}.0`, out: width(l) });
    index++;
  }
  const middle = width(levels - 1);
  blocks.push({ path: "middle_block.0", out: middle }, { path: "middle_block.2", out: middle });
  index = 0;
  for (let l = levels - 1; l >= 0; l--) {
    for (let j = 0; j <= resBlocks; j++) {
      blocks.push({ path: `output_blocks.${index}.0`, out: width(l) });
      const part = config.attention.includes(l) ? 2 : 1;
      if (l > 0 && j === resBlocks && resblockUpdown)
        blocks.push({ path: `output_blocks.${index}.${part}`, out: width(l) });
      index++;
    }
  }
  return blocks;
}
