import { UserError } from "../../errors";
import type { UNetConfig } from "../config";
import type { Checkpoint } from "./checkpoint";
import type { TensorInfo } from "./container";
import { checkLucidrains, hasOldNames, isStandardised, lucidrainsName, standardise } from "./lucidrains";
import { fromDiffusers, levelsOf } from "./names";

/** Layout of the names in a checkpoint. "A": DDPM, pesser, SDEdit, Asyrp. "B-old", "B-new": diffusers' UNet2DModel before and
 *  after its attention was renamed, "B-mixed" both in one file. "C": guided diffusion, improved diffusion, P2, ILVR.
 *  "L-old", "L": lucidrains' denoising-diffusion-pytorch before and since 1.8. "K": Keras' DDPM example as a TF.js graph. */
export type Layout = "A" | "B-old" | "B-new" | "B-mixed" | "C" | "L-old" | "L" | "K";

/** Layout of the canonical names of a family. */
export const LAYOUT_OF = { ddpm: "A", adm: "C", lucidrains: "L" } as const satisfies Record<
  UNetConfig["family"],
  Layout
>;

type Names = Pick<ReadonlyMap<string, unknown>, "has" | "keys">;

/** [a key only they have, what they are]: U-Nets and networks that look near but compute something else. */
const strangers: readonly (readonly [RegExp, string])[] = [
  [/transformer_blocks\.\d+\.attn/, "a text-conditioned latent diffusion model (Stable Diffusion)"],
  [/^first_stage_model\.|^(?:encoder|decoder)\.down\./, "a latent diffusion model or an autoencoder"],
  [/^cond_stage_model\.|^text_model\./, "a text encoder"],
  [/^map_(?:noise|layer\d)\.|^model\.map_noise/, "an EDM network"],
  [/^synthesis\.|^mapping\./, "a StyleGAN generator"],
  [/lora_(?:up|down|A|B)\b/, "a LoRA, a difference to some other model's weights"],
];

/** Recognises the layout by its keys.
 *  @throws UserError saying what the file holds when it is none of them. */
export function detectLayout(names: Names, file: string): Layout {
  const keys = [...names.keys()];
  for (const [pattern, what] of strangers)
    if (keys.some((key) => pattern.test(key)))
      throw new UserError(`${file}: is ${what}; this engine needs an unconditional DDPM or ADM U-Net in pixel space`);
  if (names.has("temb.dense.0.weight") && names.has("down.0.block.0.norm1.weight")) return "A";
  if (names.has("time_embedding.linear_1.weight") && names.has("conv_in.weight")) {
    const old = keys.some((key) => /\.attentions\.\d+\.query\./.test(key));
    const young = keys.some((key) => /\.attentions\.\d+\.to_q\./.test(key));
    if (old && young) return "B-mixed";
    return old ? "B-old" : "B-new";
  }
  if (names.has("time_embed.0.weight") && names.has("input_blocks.0.0.weight")) return "C";
  if (names.has("init_conv.weight") && names.has("mid_block1.block1.proj.weight"))
    return hasOldNames(keys) ? "L-old" : "L";
  const shown = keys.slice(0, 3).join(", ") || "no tensors";
  throw new UserError(
    `${file}: its names (${shown}) are not a DDPM's (temb.dense.0, down.0...), diffusers' (time_embedding...), ADM's (time_embed.0, input_blocks...) or lucidrains' (init_conv, downs.0...); choose a U-Net checkpoint`,
  );
}

/** Diffusers keeps attention weights as [C, C] linears; the names of layout A go with [C, C, 1, 1] convolutions. */
const asConv = (name: string, { dtype, shape }: TensorInfo): TensorInfo =>
  /\.attn(?:\.\d+|_1)\.(?:q|k|v|proj_out)\.weight$/.test(name) && shape.length === 2
    ? { dtype, shape: [...shape, 1, 1] }
    : { dtype, shape };

/** The checkpoint under canonical names: layout A's for the DDPM family (whatever it was saved as, so that equal weights
 *  give equal tensors), layout C's own for ADM. Names the table does not know stay as they are. What reads a graph is loaded
 *  with the first.
 *  @throws UserError for an unknown layout, or two names for one tensor. */
export async function canonicalNames(checkpoint: Checkpoint): Promise<Checkpoint & { readonly layout: Layout }> {
  if (checkpoint.graph) return (await import("./keras")).kerasNames({ ...checkpoint, graph: checkpoint.graph });
  const layout = detectLayout(checkpoint.tensors, checkpoint.file);
  if (layout.startsWith("L")) checkLucidrains(checkpoint);
  const levels = levelsOf(checkpoint.tensors.keys());
  const canonical = (name: string) => {
    if (layout.startsWith("L")) return lucidrainsName(name);
    return layout === "C" ? name : (fromDiffusers(name, levels) ?? name);
  };
  const inFile = new Map<string, string>();
  const tensors = new Map<string, TensorInfo>();
  for (const [name, info] of checkpoint.tensors) {
    const own = canonical(name);
    if (inFile.has(own))
      throw new UserError(
        `${checkpoint.file}: ${inFile.get(own)} and ${name} are the same tensor; re-save one of them`,
      );
    inFile.set(own, name);
    tensors.set(own, asConv(own, info));
  }
  return {
    ...checkpoint,
    layout,
    tensors,
    async read(name, signal, into) {
      const inside = inFile.get(name);
      if (inside === undefined) throw new UserError(`${checkpoint.file}: has no tensor ${name}`);
      if (layout !== "L-old" || !isStandardised(name)) return checkpoint.read(inside, signal, into);
      return standardise(await checkpoint.read(inside, signal), tensors.get(name)!.shape[0]!);
    },
  };
}
