/** What a U-Net is made of; everything a checkpoint's shapes tell, and the few things they cannot. */
export interface UNetConfig {
  readonly family: "ddpm" | "adm";
  /** input side in pixels; not in the weights (metadata or caller) */
  readonly resolution: number;
  readonly inChannels: number;
  /** 3, or 6 with learned variance */
  readonly outChannels: number;
  /** base width */
  readonly channels: number;
  /** per level */
  readonly channelMult: readonly number[];
  /** per level on the way down */
  readonly resBlocks: number;
  /** levels (0: full resolution) that carry attention */
  readonly attention: readonly number[];
  /** of group norm */
  readonly groups: number;
  /** of group norm: 1e-6 for ddpm, 1e-5 for adm */
  readonly eps: number;
  /** width of one attention head; 0: see `heads`. Not in the weights */
  readonly headChannels: number;
  /** number of heads where headChannels is 0 (default 1). Not in the weights */
  readonly heads?: number;
  /** adm: how the rows of qkv are packed. Not in the weights */
  readonly qkvOrder: "legacy" | "new";
  /** adm: the embedding scales and shifts the second norm, instead of being added */
  readonly scaleShift: boolean;
  /** adm: resampling inside res blocks */
  readonly resblockUpdown: boolean;
  /** resampling with a convolution where it is not inside a res block */
  readonly convResample: boolean;
  /** rows of label_emb; 0: unconditional */
  readonly classes: number;
}

/** Level at which h lives: the coarsest. */
export const bottleneckLevel = (c: UNetConfig): number => c.channelMult.length - 1;

/** [C, side, side] of the bottleneck h. */
export function hShape(c: UNetConfig): readonly [channels: number, h: number, w: number] {
  const side = c.resolution >> bottleneckLevel(c);
  return [c.channels * c.channelMult.at(-1)!, side, side];
}
