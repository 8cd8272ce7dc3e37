import { expectedTensors } from "../src/model/checkpoint/expected";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { memorySource } from "../src/model/checkpoint/source";
import type { AdmConfig, DdpmConfig, UNetConfig } from "../src/model/config";
import { mulberry32 } from "../src/random";
import type { State } from "./checkpoint-writers";

const base = { height: 256, width: 256, inChannels: 3, groups: 32, convResample: true, classes: 0 } as const;

/** CelebA-HQ, bedroom, church: layouts A and B. */
export const DDPM_256: DdpmConfig = {
  ...base,
  family: "ddpm",
  outChannels: 3,
  channels: 128,
  channelMult: [1, 1, 2, 2, 4, 4],
  resBlocks: 2,
  attention: [4],
  eps: 1e-6,
  headChannels: 0,
  scaleShift: false,
  upAttention: [4],
  midAttention: true,
  midGroups: 32,
  qkvRows: "channels",
  resDown: [],
  resUp: [],
  pad: "asymmetric",
  embedding: { order: "sin-cos", shift: 1 },
  embeddingChannels: 512,
  activation: "silu",
  midScale: 1,
  centerInput: false,
  classEmbedding: "table",
};

/** FFHQ, AFHQ, MetFaces, CelebA-HQ P2. */
export const ADM_P2: AdmConfig = {
  ...base,
  family: "adm",
  outChannels: 6,
  channels: 128,
  channelMult: [1, 1, 2, 2, 4, 4],
  resBlocks: 1,
  attention: [4],
  eps: 1e-5,
  headChannels: 64,
  scaleShift: true,
  resblockUpdown: true,
  qkvOrder: "legacy",
};

/** ImageNet unconditional, LSUN. */
export const ADM_256: AdmConfig = {
  ...ADM_P2,
  channels: 256,
  channelMult: [1, 1, 2, 2, 4, 4],
  resBlocks: 2,
  attention: [3, 4, 5],
};

/** 16 x 16, two levels: the same shape of network as the golden containers. */
export const DDPM_TINY: DdpmConfig = {
  ...DDPM_256,
  height: 16,
  width: 16,
  channels: 32,
  channelMult: [1, 1],
  resBlocks: 1,
  attention: [1],
  upAttention: [1],
  embeddingChannels: 128,
};

/** Numbers in [-1, 1) from a seed. */
export function random(seed: number): () => number {
  const next = mulberry32(seed);
  return () => 2 * next() - 1;
}

/** A network of this configuration with seeded weights, under canonical names. */
export function stateOf(config: UNetConfig, seed = 1): State {
  const next = random(seed);
  return new Map(
    [...expectedTensors(config)].map(([name, shape]) => {
      const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next);
      return [name, { shape, values }];
    }),
  );
}

export const open = (bytes: Uint8Array, options: Parameters<typeof openModelCheckpoint>[1] = {}, name = "file") =>
  openModelCheckpoint(memorySource(bytes, name), options);

/** Every tensor of a file equals the state's, bit by bit. */
export async function expectState(
  model: { readonly tensors: ReadonlyMap<string, unknown>; read(name: string): Promise<Float32Array> },
  state: State,
): Promise<void> {
  if (model.tensors.size !== state.size) throw new Error(`${model.tensors.size} tensors, ${state.size} expected`);
  for (const [name, { values }] of state) {
    const found = await model.read(name);
    if (
      Buffer.compare(Buffer.from(found.buffer), Buffer.from(values.buffer, values.byteOffset, values.byteLength)) !== 0
    )
      throw new Error(`${name} differs`);
  }
}
