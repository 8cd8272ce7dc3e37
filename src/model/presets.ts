import type { AdmConfig, DdpmConfig, UNetConfig } from "./config";
import { DDPM_SCHEDULE, type Schedule } from "./schedule";

/** One of the paper's models: what its file holds, and where to get it. */
export interface ModelPreset {
  readonly title: string;
  readonly config: UNetConfig;
  /** Size of the published file, for recognising a wrong or damaged one. */
  readonly tensors: number;
  readonly parameters: number;
  /** Noise that it was trained on, where its file does not say. */
  readonly schedule?: Schedule;
  /** Injection preset that goes with it. */
  readonly method: "faces" | "afhq" | "paper" | "artistic" | "quick" | "fast";
  /** Something `loadModel` can open, where the file is on a hub; else undefined. */
  readonly source?: string;
  /** Where people get it, in words. */
  readonly from: string;
}

/** Ho et al.'s 256-pixel U-Net: CelebA-HQ, LSUN church and bedroom. */
const ddpm256: DdpmConfig = {
  family: "ddpm",
  height: 256,
  width: 256,
  inChannels: 3,
  outChannels: 3,
  channels: 128,
  channelMult: [1, 1, 2, 2, 4, 4],
  resBlocks: 2,
  attention: [4],
  groups: 32,
  eps: 1e-6,
  headChannels: 0,
  scaleShift: false,
  convResample: true,
  classes: 0,
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

/** The small ADM of P2 weighting and ILVR: FFHQ, AFHQ-dog, MetFaces, CelebA-HQ. */
const p2: AdmConfig = {
  family: "adm",
  height: 256,
  width: 256,
  inChannels: 3,
  outChannels: 6,
  channels: 128,
  channelMult: [1, 1, 2, 2, 4, 4],
  resBlocks: 1,
  attention: [4],
  groups: 32,
  eps: 1e-5,
  headChannels: 64,
  qkvOrder: "legacy",
  scaleShift: true,
  resblockUpdown: true,
  convResample: true,
  classes: 0,
};

/** Dhariwal & Nichol's unconditional 256-pixel ADM. */
const adm256: AdmConfig = { ...p2, channels: 256, resBlocks: 2, attention: [3, 4, 5] };

/** Keras' published DDPM example, trained on drawn faces by wangjia184. */
const anime: DdpmConfig = {
  ...ddpm256,
  height: 64,
  width: 64,
  channels: 64,
  channelMult: [1, 2, 4, 8],
  attention: [2, 3],
  upAttention: [2, 3],
  groups: 8,
  midGroups: 8,
  eps: 1e-3,
  embeddingChannels: 256,
  frequencies: 128,
  attentionResidual: "normalised",
};

/** The cosine schedule of Nichol & Dhariwal 2021 over 300 steps, betas between 1e-4 and 0.9999. */
const animeSchedule = (): Schedule => {
  const steps = 300;
  const bar = (t: number) => Math.cos(((t / steps + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  const values = Array.from({ length: steps }, (_, t) => Math.min(0.9999, Math.max(1e-4, 1 - bar(t + 1) / bar(t))));
  const betas = { kind: "trained_betas", values } as const;
  return { ...DDPM_SCHEDULE, trainSteps: steps, betas, clip: 1, rederive: true };
};

const ddpmCounts = { tensors: 450, parameters: 113_673_219 } as const;
const p2Counts = { tensors: 362, parameters: 93_563_910 } as const;

/** The eight models of the paper, and a small one that anyone can try, by the names of `--model`. */
export const modelPresets = {
  celebahq: {
    title: "CelebA-HQ 256 (DDPM)",
    config: ddpm256,
    ...ddpmCounts,
    method: "faces",
    source: "hf:google/ddpm-ema-celebahq-256",
    from: "hf:google/ddpm-ema-celebahq-256, or SDEdit's celeba_hq.ckpt (mirror: hf:gwang-kim/DiffusionCLIP-CelebA_HQ:celeba_hq.ckpt)",
  },
  church: {
    title: "LSUN church 256 (DDPM)",
    config: ddpm256,
    ...ddpmCounts,
    method: "paper",
    source: "hf:google/ddpm-ema-church-256",
    from: "hf:google/ddpm-ema-church-256, or ema_lsun_church of pesser/pytorch_diffusion",
  },
  bedroom: {
    title: "LSUN bedroom 256 (DDPM)",
    config: ddpm256,
    ...ddpmCounts,
    method: "paper",
    source: "hf:google/ddpm-ema-bedroom-256",
    from: "hf:google/ddpm-ema-bedroom-256, or hf:gwang-kim/DiffusionCLIP-LSUN_Bedroom:bedroom.ckpt",
  },
  ffhq: {
    title: "FFHQ 256 (P2 / ILVR)",
    config: p2,
    ...p2Counts,
    method: "faces",
    from: "ffhq_p2.pt of the P2-weighting repository, or ffhq_10m.pt of ILVR",
  },
  "afhq-dog": {
    title: "AFHQ-dog 256 (ILVR)",
    config: p2,
    ...p2Counts,
    method: "afhq",
    from: "afhq_dog_4m.pt of the ILVR or EGSDE repositories",
  },
  metfaces: {
    title: "MetFaces 256 (P2)",
    config: p2,
    ...p2Counts,
    method: "artistic",
    from: "metface_p2.pt of the P2-weighting repository",
  },
  "celebahq-p2": {
    title: "CelebA-HQ 256 (P2)",
    config: p2,
    ...p2Counts,
    method: "faces",
    from: "the CelebA-HQ file of the P2-weighting repository",
  },
  imagenet: {
    title: "ImageNet 256, unconditional (ADM)",
    config: adm256,
    tensors: 566,
    parameters: 552_814_086,
    method: "paper",
    from: "256x256_diffusion_uncond.pt of openai/guided-diffusion",
  },
  anime64: {
    title: "drawn faces 64 (Keras' DDPM example)",
    config: anime,
    tensors: 383,
    parameters: 63_200_515,
    schedule: animeSchedule(),
    method: "quick",
    source:
      "https://cdn.jsdelivr.net/gh/wangjia184/diffusion_model@5ea111bd405c1f893976808b768681d61e11c979/docs/64x64_cosin_300/model.json",
    from: "docs/64x64_cosin_300 of github.com/wangjia184/diffusion_model (MIT), 61 MB",
  },
} as const satisfies Record<string, ModelPreset>;

export type ModelPresetName = keyof typeof modelPresets;

export const isModelPreset = (name: string): name is ModelPresetName => Object.hasOwn(modelPresets, name);

/** The model that `loadModel()` loads. */
export const DEFAULT_MODEL = "portraits64";

/** Name of the injection preset that suits a model, by what it is loaded from: `fast` for the shipped model, its own for one
 *  of the paper's, however its file is given (`ffhq=FILE`), and `quick` for any other. */
export function methodOf(source: unknown = DEFAULT_MODEL): ModelPreset["method"] {
  if (source === DEFAULT_MODEL) return "fast";
  const name = typeof source === "string" ? source.split("=")[0]! : "";
  return isModelPreset(name) ? modelPresets[name].method : "quick";
}
