import type { LucidrainsConfig } from "../../src/model/config";

/** A small network of denoising-diffusion-pytorch with all that such networks have: both kinds of attention, learned
 *  positions, and norms over channels. */
export const tiny: LucidrainsConfig = {
  family: "lucidrains",
  height: 16,
  width: 16,
  inChannels: 3,
  outChannels: 3,
  channels: 8,
  channelMult: [1, 3],
  resBlocks: 2,
  attention: [0, 1],
  groups: 8,
  eps: 1e-5,
  heads: 4,
  headChannels: 32,
  scaleShift: true,
  convResample: true,
  classes: 0,
  stem: 16,
  embeddingChannels: 32,
  norm: "rms",
  attentionNorm: "rms",
  fullAttention: [1],
  memory: 4,
  dividedValues: false,
};
