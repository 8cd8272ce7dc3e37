import { UserError } from "../../errors";
import { firstOf, type SideFile } from "./side-files";
import type { ByteSource } from "./source";

/** Places of the noise scheduler's config, as seen from the weights. */
export const schedulerFiles = [
  "scheduler_config.json",
  "../scheduler/scheduler_config.json",
  "scheduler/scheduler_config.json",
];

/** Parts of pipelines that do not work on pixels. */
const latent = ["vqvae", "vae", "movq", "text_encoder", "bert", "transformer", "image_encoder", "prior"];

/** The `model_index.json` of the pipeline that the weights belong to, if any.
 *  @throws UserError for a pipeline of another kind than this engine's, by its name */
export async function readPipeline(source: ByteSource, signal?: AbortSignal): Promise<SideFile | undefined> {
  const index = await firstOf(source, ["model_index.json", "../model_index.json"], signal);
  if (!index) return undefined;
  const { file, json } = index;
  const name = String(json._class_name ?? "a pipeline without a name");
  const part = latent.find((key) => Array.isArray(json[key]) && (json[key] as unknown[])[1]);
  const wanted = "this engine needs a pipeline in pixel space, such as DDPMPipeline or DDIMPipeline";
  if (part || /^LDM|StableDiffusion/.test(name))
    throw new UserError(`${file}: ${name}${part ? ` with ${part}` : ""} works on latents, not on pixels; ${wanted}`);
  if (/ScoreSde|Karras|Consistency|EDM/.test(name))
    throw new UserError(`${file}: ${name} works on sigmas, not on alphas; ${wanted}`);
  const unet = Array.isArray(json.unet) ? (json.unet as unknown[])[1] : undefined;
  if (unet !== undefined && unet !== "UNet2DModel")
    throw new UserError(`${file}: unet is ${JSON.stringify(unet)}; expected UNet2DModel`);
  return index;
}
