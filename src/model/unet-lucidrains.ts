import type { GraphBuilder } from "../graph/graph";
import { type LucidrainsConfig, widthOf } from "./config";
import type { NetworkOp } from "./ops";
import type { Running } from "./unet-blocks";

/** The U-Net of lucidrains' denoising-diffusion-pytorch, layer names as in its files since 1.8 (`downs.0.0.block1.proj`).
 *  Norms follow their convolutions; a level is two res blocks, attention and a resampler, with two skips.
 *  denoising_diffusion_pytorch/denoising_diffusion_pytorch.py, class Unet */
export function lucidrainsUNet(
  config: LucidrainsConfig,
  b: GraphBuilder<NetworkOp>,
): { h: string; g: string; eps: string } {
  const { channels, stem, channelMult, embeddingChannels: temb, groups, eps } = config;
  const levels = channelMult.length;
  /** width of a level on its way in, and of what goes on from it */
  const widthIn = (l: number) => (l === 0 ? stem : widthOf(config, l - 1));
  const widthOut = (l: number) => widthOf(config, l);

  const sinusoids = { kind: "timeEmbedding", channels, order: "sin-cos", shift: 1 } as const;
  const first = b.add(
    "time_mlp.1",
    { kind: "linear", layers: [{ layer: "time_mlp.1", rows: temb }] },
    { x: b.add("time_mlp.0", sinusoids, { steps: "steps" }) },
  );
  const embedding = b.add(
    "time_mlp.3",
    { kind: "linear", layers: [{ layer: "time_mlp.3", rows: temb }] },
    { x: b.add("time_mlp.2", { kind: "activation", activation: "gelu" }, { x: first }) },
  );
  const projections: { layer: string; rows: number }[] = []; // grows as blocks are built
  const film = b.add("mlp.1", { kind: "linear", layers: projections, siluIn: true }, { x: embedding });
  let columns = 0;

  const conv3 = (layer: string, channels: number) => ({ kind: "conv", kernel: 3, layers: [layer], channels }) as const;

  /** proj, norm, scale and shift, SiLU; proj, norm, SiLU; plus the input, by a 1x1 convolution where widths differ. */
  const res = (path: string, x: Running, out: number, skip?: Running): Running => {
    const at = (layer: string) => `${path}.${layer}`;
    const filmOffset = columns;
    projections.push({ layer: at("mlp.1"), rows: 2 * out });
    columns += 2 * out;
    const inputs = { x: x.name, skip: skip?.name };
    const kept = x.channels + (skip?.channels ?? 0) === out;
    const h = b.add(at("block1.proj"), conv3(at("block1.proj"), out), inputs);
    const [norm1, norm2] = [at("block1.norm"), at("block2.norm")];
    let y: string;
    if (config.norm === "rms") {
      const norm = { kind: "channelNorm", norm: "rms", eps, silu: true } as const;
      const act = b.add(norm1, { ...norm, layer: norm1, filmOffset }, { x: h, film });
      const h2 = b.add(at("block2.proj"), conv3(at("block2.proj"), out), { x: act });
      const whole = kept && !skip;
      y = b.add(
        norm2,
        { ...norm, layer: norm2 },
        { x: h2, residual: whole ? x.name : undefined },
        whole ? path : norm2,
      );
      if (whole) return { name: y, channels: out };
    } else {
      const norm = { kind: "groupNorm", groups, eps } as const;
      const stats = b.add(norm1, { ...norm, layer: norm1, filmOffset }, { x: h, film });
      const h2 = b.add(at("block2.proj"), { ...conv3(at("block2.proj"), out), silu: true }, { x: h, norm: stats });
      y = b.add(norm2, { ...norm, layer: norm2, apply: true, silu: true }, { x: h2 });
    }
    if (!kept) {
      const layer = at("res_conv");
      b.add(layer, { kind: "conv", kernel: 1, layers: [layer], channels: out }, { ...inputs, residual: y }, path);
    } else {
      const whole = skip ? b.add(`${path}.input`, { kind: "concat" }, { x: x.name, skip: skip.name }) : x.name;
      b.add(path, { kind: "add" }, { x: y, y: whole });
    }
    return { name: path, channels: out };
  };

  const attention = (path: string, x: Running, full: boolean): Running => {
    const at = (layer: string) => `${path}.${layer}`;
    const { heads = 1, headChannels, memory: positions, attentionNorm, dividedValues } = config;
    const normed = (layer: string) => ({ kind: "channelNorm", layer, norm: attentionNorm, eps }) as const;
    const norm = b.add(at("norm"), normed(at("norm")), { x: x.name });
    const layer = at("to_qkv");
    const rows = 3 * heads * headChannels;
    const conv = { kind: "conv", kernel: 1, layers: [layer], channels: rows, bias: false } as const;
    const qkv = b.add(layer, conv, { x: norm });
    const memory = positions > 0 ? { key: at("mem_kv"), positions } : undefined;
    const out = at(full ? "to_out" : "to_out.0");
    const project = { kind: "conv", kernel: 1, layers: [out], channels: x.channels } as const;
    if (full) {
      const y = b.add(at("attention"), { kind: "attention", heads, order: "new", memory }, { qkv });
      b.add(out, project, { x: y, residual: x.name }, path);
    } else {
      const y = b.add(at("attention"), { kind: "linearAttention", heads, divided: dividedValues, memory }, { qkv });
      b.add(at("to_out.1"), normed(at("to_out.1")), { x: b.add(out, project, { x: y }), residual: x.name }, path);
    }
    return { name: path, channels: x.channels };
  };

  const start = b.add(
    "init_conv",
    { kind: "anyConv", layer: "init_conv", channels: stem, kernel: 7, stride: 1, pad: 3 },
    { x: "x" },
  );
  const stemmed: Running = { name: start, channels: stem };
  let x = stemmed;
  const skips: Running[] = [];
  for (let l = 0; l < levels; l++) {
    const full = config.fullAttention.includes(l);
    x = res(`downs.${l}.0`, x, widthIn(l));
    skips.push(x);
    x = res(`downs.${l}.1`, x, widthIn(l));
    x = attention(`downs.${l}.2`, x, full);
    skips.push(x);
    const path = `downs.${l}.3`;
    if (l === levels - 1) b.add(path, conv3(path, widthOut(l)), { x: x.name });
    else {
      const blocks = b.add(`${path}.0`, { kind: "spaceToDepth" }, { x: x.name });
      const conv = { kind: "conv", kernel: 1, layers: [`${path}.1`], channels: widthOut(l) } as const;
      b.add(`${path}.1`, conv, { x: blocks }, path);
    }
    x = { name: path, channels: widthOut(l) };
  }

  const g = skips.at(-1)!.name;
  x = res("mid_block1", x, x.channels);
  x = attention("mid_attn", x, true);
  x = res("mid_block2", x, x.channels);
  const h = x.name;

  for (let l = levels - 1; l >= 0; l--) {
    const at = `ups.${levels - 1 - l}`;
    x = res(`${at}.0`, x, widthOut(l), skips.pop()!);
    x = res(`${at}.1`, x, widthOut(l), skips.pop()!);
    x = attention(`${at}.2`, x, config.fullAttention.includes(l));
    const path = `${at}.3`;
    const layer = l === 0 ? path : `${path}.1`;
    b.add(layer, { ...conv3(layer, widthIn(l)), ...(l > 0 && { upsample: true }) }, { x: x.name }, path);
    x = { name: path, channels: widthIn(l) };
  }

  x = res("final_res_block", x, stem, stemmed);
  const head = { kind: "conv", kernel: 1, layers: ["final_conv"], channels: config.outChannels } as const;
  return { h, g, eps: b.add("final_conv", head, { x: x.name }, "eps") };
}
