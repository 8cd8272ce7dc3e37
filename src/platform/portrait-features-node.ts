import { join } from "node:path";
import { UserError } from "../errors";
import { type PortraitFeatures, portraitFeatures } from "../metrics/portrait-features";
import { openContainer } from "../model/checkpoint/checkpoint";
import { openSource } from "../model/checkpoint/source-node";
import { packageRoot } from "./package-root";

/** The feature network that comes with the shipped model, and the names of the factors that `identity` tells. @throws UserError when its file is missing or another's */
export async function openPortraitFeatures(
  file = join(packageRoot(), "weights", "features", "portraits64.safetensors"),
): Promise<PortraitFeatures & { readonly names: readonly string[] }> {
  const opened = await openContainer(await openSource(file));
  try {
    if (opened.metadata.kind !== "injectfusion features")
      throw new UserError(`${file}: is no feature network; train one with weights/features.py`);
    const weights = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    for (const [name, { shape }] of opened.tensors) weights.set(name, { shape, values: await opened.read(name) });
    const names = JSON.parse(opened.metadata.content ?? "[]") as string[];
    return { ...portraitFeatures(weights, names.length), names };
  } finally {
    opened.close();
  }
}
