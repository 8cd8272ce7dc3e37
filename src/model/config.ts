import type { Activation } from "../kernels/pointwise/activation";

/** Settings that every family of U-Net has: what a checkpoint's shapes tell, and the few things they cannot. */
interface CommonConfig {
  /** input size in pixels; not in the weights */
  readonly height: number;
  readonly width: number;
  readonly inChannels: number;
  /** as many as go in, or twice as many with learned variance: the prediction is in the first ones */
  readonly outChannels: number;
  /** base width */
  readonly channels: number;
  /** width of each level as a multiple of `channels`, from full resolution down */
  readonly channelMult: readonly number[];
  /** res blocks per level on the way down; there is one more on the way up */
  readonly resBlocks: number;
  /** levels (0: full resolution) that carry attention; of the ddpm family on the way down only */
  readonly attention: readonly number[];
  /** of group norm */
  readonly groups: number;
  /** of group norm; not in the weights */
  readonly eps: number;
  /** width of one attention head; 0: see `heads`. Not in the weights */
  readonly headChannels: number;
  /** number of heads where headChannels is 0 (default 1). Not in the weights */
  readonly heads?: number;
  /** the embedding scales and shifts the second norm, instead of being added */
  readonly scaleShift: boolean;
  /** resampling with a convolution where it is not inside a res block */
  readonly convResample: boolean;
  /** number of classes; 0: unconditional */
  readonly classes: number;
}

/** Ho et al.'s U-Net, and everything that diffusers' UNet2DModel makes of it. */
export interface DdpmConfig extends CommonConfig {
  readonly family: "ddpm";
  /** levels that carry attention on the way up */
  readonly upAttention: readonly number[];
  readonly midAttention: boolean;
  /** groups of the middle attention's norm; 0: it has none */
  readonly midGroups: number;
  /** rows of q, k and v: as many as channels, or those of whole heads only, where the head width does not divide the
   *  channels */
  readonly qkvRows: "channels" | "heads";
  /** levels whose resampling on the way down, or up, is a res block */
  readonly resDown: readonly number[];
  readonly resUp: readonly number[];
  /** zeros around the strided convolution: right and below only, or all round. Not in the weights */
  readonly pad: "asymmetric" | "same";
  /** half the width of the sinusoids, whose frequencies the file holds itself (`temb.frequencies`); absent: the sinusoids are
   *  `channels` wide, and their frequencies those of `embedding.shift` */
  readonly frequencies?: number;
  /** sinusoids of the time step: order, and s in frequency i = exp(-ln(1e4) i / (half - s)). Not in the weights */
  readonly embedding: { readonly order: "sin-cos" | "cos-sin"; readonly shift: number };
  /** width of the time MLP */
  readonly embeddingChannels: number;
  /** of res blocks; not in the weights */
  readonly activation: Activation;
  /** what attention is added to: its input (default), or its input normalised, as in Keras' example. Not in the weights */
  readonly attentionResidual?: "input" | "normalised";
  /** the middle's blocks return (x + h) / midScale. Not in the weights */
  readonly midScale: number;
  /** the network sees 2x - 1. Not in the weights */
  readonly centerInput: boolean;
  /** how a label is embedded: by a row of a table, or as the number it is, by sinusoids and an MLP of its own */
  readonly classEmbedding: "table" | "timestep";
}

/** Dhariwal & Nichol's U-Net (guided diffusion), and its relatives. */
export interface AdmConfig extends CommonConfig {
  readonly family: "adm";
  /** number of heads on the way up, where it differs from `heads`. Not in the weights */
  readonly headsUp?: number;
  /** how the rows of qkv are packed. Not in the weights */
  readonly qkvOrder: "legacy" | "new";
  /** resampling inside res blocks */
  readonly resblockUpdown: boolean;
}

/** The U-Net of lucidrains' denoising-diffusion-pytorch: two res blocks a level, each followed by its norm, and attention
 *  at every level. */
export interface LucidrainsConfig extends CommonConfig {
  readonly family: "lucidrains";
  /** width of the stem, which is that of the first level on its way in */
  readonly stem: number;
  /** width of the time MLP */
  readonly embeddingChannels: number;
  /** of res blocks: over the channels of each pixel (2.0 and later), or over groups */
  readonly norm: "rms" | "group";
  /** before and after attention, over the channels of each pixel: RMS norm, or layer norm before 1.8. Not in the weights */
  readonly attentionNorm: "rms" | "layer";
  /** levels whose attention is over all pairs of pixels, as the middle's always is; the others' is linear */
  readonly fullAttention: readonly number[];
  /** learned keys and values of each attention; 0 before 1.9 */
  readonly memory: number;
  /** linear attention divides its values by the number of pixels, as before 1.8. Not in the weights */
  readonly dividedValues: boolean;
}

/** The parts and sizes of a U-Net. */
export type UNetConfig = DdpmConfig | AdmConfig | LucidrainsConfig;

/** Does it need a label for every picture? */
export const isConditional = (c: UNetConfig): boolean =>
  c.classes > 0 || (c.family === "ddpm" && c.classEmbedding === "timestep");

/** Channels and size of a network's pictures. */
export interface PictureShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

export const pictureShape = ({ inChannels, height, width }: UNetConfig): PictureShape => ({
  channels: inChannels,
  height,
  width,
});

/** Level at which h lives: the coarsest. */
export const bottleneckLevel = (c: UNetConfig): number => c.channelMult.length - 1;

/** Channels of a level. Multiples are quotients of two widths, so that the product is only nearly whole. */
export const widthOf = (c: Pick<UNetConfig, "channels" | "channelMult">, level: number): number =>
  Math.round(c.channels * c.channelMult[level]!);

/** [C, H, W] of the bottleneck h. */
export function hShape(c: UNetConfig): readonly [channels: number, h: number, w: number] {
  const level = bottleneckLevel(c);
  return [widthOf(c, level), c.height >> level, c.width >> level];
}

/** Number of attention heads over `channels`: as many as fit whole, 0 where none does.
 *  @param up on the way up (ADM may have another number there) */
export function headsOf(c: UNetConfig, channels: number, up = false): number {
  if (c.headChannels > 0) return Math.floor(channels / c.headChannels);
  return (up && c.family === "adm" ? c.headsUp : undefined) ?? c.heads ?? 1;
}

/** Rows of each of q, k and v over `channels`. */
export const qkvRowsOf = (c: UNetConfig, channels: number): number =>
  c.family === "ddpm" && c.qkvRows === "heads" ? headsOf(c, channels) * c.headChannels : channels;
