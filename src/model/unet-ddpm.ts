import type { GraphBuilder } from "../graph/graph";
import type { UNetConfig } from "./config";
import type { NetworkOp } from "./ops";

/** A res block's time projection: columns [offset, offset + channels) of one shared linear layer. */
interface Projections {
  readonly layers: { layer: string; rows: number }[];
  columns: number;
}

/** The DDPM U-Net, layer names as in the official checkpoints (`down.0.block.0.norm1`).
 *  Time MLP, stem, L levels down, middle, L levels up with skips, head.   Ho et al. 2020, appendix B */
export function ddpmUNet(config: UNetConfig, b: GraphBuilder<NetworkOp>): { h: string; g: string; eps: string } {
  const { channels, channelMult, resBlocks, groups, eps } = config;
  const levels = channelMult.length;
  const width = (level: number) => channels * channelMult[level]!;

  // Every res block projects the same embedding, so one layer computes all the projections, ahead of the network.
  const projections: Projections = { layers: [], columns: 0 };
  const offsets = new Map<string, number>();
  const declare = (path: string, out: number) => {
    offsets.set(path, projections.columns);
    projections.layers.push({ layer: `${path}.temb_proj`, rows: out });
    projections.columns += out;
  };
  for (let l = 0; l < levels; l++) for (let j = 0; j < resBlocks; j++) declare(`down.${l}.block.${j}`, width(l));
  declare("mid.block_1", width(levels - 1));
  declare("mid.block_2", width(levels - 1));
  for (let l = levels - 1; l >= 0; l--) for (let j = 0; j <= resBlocks; j++) declare(`up.${l}.block.${j}`, width(l));

  const sinusoid = b.add("temb", { kind: "timeEmbedding", channels, order: "sin-cos" }, { steps: "steps" });
  const dense0 = b.add(
    "temb.dense.0",
    { kind: "linear", layers: [{ layer: "temb.dense.0", rows: 4 * channels }], siluOut: true },
    { x: sinusoid },
  );
  const dense1 = b.add(
    "temb.dense.1",
    { kind: "linear", layers: [{ layer: "temb.dense.1", rows: 4 * channels }] },
    { x: dense0 },
  );
  const temb = b.add("temb_proj", { kind: "linear", layers: projections.layers, siluIn: true }, { x: dense1 });

  const norm = (layer: string, x: string, skip?: string) =>
    b.add(layer, { kind: "groupNorm", layer, groups, eps }, { x, skip });

  const resBlock = (path: string, x: string, xChannels: number, out: number, skip?: string): string => {
    const norm1 = norm(`${path}.norm1`, x, skip);
    const conv1 = b.add(
      `${path}.conv1`,
      { kind: "conv3x3", layer: `${path}.conv1`, channels: out, silu: true, tembOffset: offsets.get(path)! },
      { x, skip, norm: norm1, temb },
    );
    const norm2 = norm(`${path}.norm2`, conv1);
    const shortcut =
      xChannels === out
        ? joined(path, x, skip)
        : b.add(
            `${path}.nin_shortcut`,
            { kind: "conv1x1", layers: [`${path}.nin_shortcut`], channels: out },
            { x, skip },
          );
    return b.add(
      `${path}.conv2`,
      { kind: "conv3x3", layer: `${path}.conv2`, channels: out, silu: true },
      { x: conv1, norm: norm2, residual: shortcut },
      path,
    );
  };

  // A block whose running and skip channels together equal its width has no shortcut layer, but still adds its input.
  const joined = (path: string, x: string, skip?: string): string =>
    skip === undefined ? x : b.add(`${path}.input`, { kind: "concat" }, { x, skip });

  const attention = (path: string, x: string, c: number): string => {
    const n = norm(`${path}.norm`, x);
    const layers = ["q", "k", "v"].map((part) => `${path}.${part}`);
    const qkv = b.add(`${path}.qkv`, { kind: "conv1x1", layers, channels: 3 * c }, { x, norm: n });
    const y = b.add(`${path}.attention`, { kind: "attention", heads: 1, order: "legacy" }, { qkv });
    return b.add(
      `${path}.proj_out`,
      { kind: "conv1x1", layers: [`${path}.proj_out`], channels: c },
      { x: y, residual: x },
      path,
    );
  };

  let x = b.add("conv_in", { kind: "conv3x3", layer: "conv_in", channels }, { x: "x" });
  let c = channels;
  const skips: { name: string; channels: number }[] = [{ name: x, channels: c }];
  for (let l = 0; l < levels; l++) {
    for (let j = 0; j < resBlocks; j++) {
      x = resBlock(`down.${l}.block.${j}`, x, c, width(l));
      c = width(l);
      if (config.attention.includes(l)) x = attention(`down.${l}.attn.${j}`, x, c);
      skips.push({ name: x, channels: c });
    }
    if (l === levels - 1) break;
    const path = `down.${l}.downsample`;
    x = config.convResample
      ? b.add(
          `${path}.conv`,
          { kind: "conv3x3", layer: `${path}.conv`, channels: c, stride: 2, pad: "asymmetric" },
          { x },
          path,
        )
      : b.add(path, { kind: "avgPool2" }, { x });
    skips.push({ name: x, channels: c });
  }

  const g = skips.at(-1)!.name;
  x = resBlock("mid.block_1", x, c, c);
  x = attention("mid.attn_1", x, c);
  x = resBlock("mid.block_2", x, c, c);
  const h = x;

  for (let l = levels - 1; l >= 0; l--) {
    for (let j = 0; j <= resBlocks; j++) {
      const skip = skips.pop()!;
      x = resBlock(`up.${l}.block.${j}`, x, c + skip.channels, width(l), skip.name);
      c = width(l);
      if (config.attention.includes(l)) x = attention(`up.${l}.attn.${j}`, x, c);
    }
    if (l === 0) break;
    const path = `up.${l}.upsample`;
    x = config.convResample
      ? b.add(`${path}.conv`, { kind: "conv3x3", layer: `${path}.conv`, channels: c, upsample: true }, { x }, path)
      : b.add(path, { kind: "upsample2x" }, { x });
  }

  const normOut = norm("norm_out", x);
  const out = b.add(
    "conv_out",
    { kind: "conv3x3", layer: "conv_out", channels: config.outChannels, silu: true },
    { x, norm: normOut },
    "eps",
  );
  return { h, g, eps: out };
}
