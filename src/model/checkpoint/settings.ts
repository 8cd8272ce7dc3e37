import { UserError } from "../../errors";
import type { AdmConfig, DdpmConfig, LucidrainsConfig } from "../config";

/** Settings that weights do not tell. */
export type Settings = Partial<
  Pick<
    DdpmConfig,
    | "height"
    | "width"
    | "groups"
    | "eps"
    | "headChannels"
    | "heads"
    | "pad"
    | "embedding"
    | "activation"
    | "midScale"
    | "centerInput"
    | "midGroups"
    | "attentionResidual"
  > &
    Pick<AdmConfig, "headsUp" | "qkvOrder"> &
    Pick<LucidrainsConfig, "attentionNorm" | "dividedValues">
>;

/** Settings from one place, and the words for it. */
export interface Layer {
  readonly from: string;
  readonly settings: Settings;
}

/** Which place each setting was taken from, in words. */
export type Provenance = Readonly<Record<string, string>>;

/** The arithmetic of one code base, where nothing else is said. */
const common = { groups: 32, activation: "silu", midScale: 1, centerInput: false } as const;
export const defaults = {
  /** Ho et al.'s code, its PyTorch versions, and the google repositories of 2022 */
  ddpm: {
    from: "DDPM's defaults",
    settings: {
      ...common,
      eps: 1e-6,
      headChannels: 0,
      pad: "asymmetric",
      embedding: { order: "sin-cos", shift: 1 },
    },
  },
  /** what diffusers' UNet2DModel does where its config has no such key */
  diffusers: {
    from: "diffusers' defaults",
    settings: { ...common, eps: 1e-5, headChannels: 8, pad: "same", embedding: { order: "cos-sin", shift: 0 } },
  },
  /** the paper's ADM files */
  adm: { from: "ADM's defaults", settings: { groups: 32, eps: 1e-5, headChannels: 64, qkvOrder: "legacy" } },
  /** Keras' DDPM example, whose graph says the rest */
  keras: { from: "Keras' example", settings: { ...common, eps: 1e-3 } },
  /** denoising-diffusion-pytorch; its attention has 4 heads of 32 where nothing else is said */
  lucidrains: { from: "lucidrains' defaults", settings: { groups: 8, eps: 1e-5 } },
} as const satisfies Record<string, Layer>;

/** Merges layers, strongest first. A number of heads in one layer takes the place of a head width in a weaker one, and
 *  the other way round. */
export function mergeLayers(layers: readonly Layer[]): { settings: Settings; from: Provenance } {
  const settings: Record<string, unknown> = {};
  const from: Record<string, string> = {};
  for (const layer of layers) {
    const given = Object.entries(layer.settings).filter(([, value]) => value !== undefined);
    const headed = "headChannels" in settings || "heads" in settings;
    for (const [key, value] of given) {
      if (key in settings || (headed && (key === "headChannels" || key === "heads"))) continue;
      settings[key] = value;
      from[key] = layer.from;
    }
  }
  if ("heads" in settings && !("headChannels" in settings)) {
    settings.headChannels = 0;
    from.headChannels = from.heads!;
  }
  return { settings: settings as Settings, from };
}

/** Size of the pictures as a caller gives it: the side of a square, or both. */
export type Resolution = number | { readonly width: number; readonly height: number };

/** @throws UserError unless both are whole numbers from 1 to 65536. */
export function sizeOf(resolution: Resolution): { height: number; width: number } {
  const { height, width } = typeof resolution === "number" ? { height: resolution, width: resolution } : resolution;
  for (const side of [height, width])
    if (!Number.isInteger(side) || side < 1 || side > 65536)
      throw new UserError(`a resolution of ${width}x${height}: expected whole numbers from 1 to 65536`);
  return { height, width };
}
