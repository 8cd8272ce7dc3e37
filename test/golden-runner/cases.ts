import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Device } from "../../src/gpu/device";
import type { ModelCheckpoint } from "../../src/model/checkpoint/model";
import { Network, type NetworkOptions } from "../../src/model/network";
import { runContainers, TOLERANCE } from "./containers";
import { runUNet, type UNetManifest } from "./diffusers";
import { type RunManifest, runDiffusersRun } from "./diffusers-runs";
import { type NetworkManifest, openNetwork, readManifest, readTensors } from "./files";
import { type CaseResult, type Manifest, runKernelCase } from "./kernels";
import { type LucidrainsManifest, runLucidrains } from "./lucidrains";
import { type MultistepManifest, runMultistep } from "./multistep";
import { runForward, runStepCase } from "./network";
import { runSchedule } from "./schedule";
import { runSchedulers } from "./schedulers";
import { type OfficialArguments, runGeneration, runInversion } from "./trajectories";

/** Every check of one case. A case of an unknown kind is a failure.
 *  @param options of the networks; where they store in f16, the tolerances are f16's */
export async function* runCase(
  folder: string,
  name: string,
  device: Device,
  options: NetworkOptions = {},
): AsyncGenerator<CaseResult> {
  if (name === "containers") return yield* runContainerCase(folder, device);
  const manifest = readManifest<NetworkManifest & Manifest>(folder, name);
  const tensors = await readTensors(join(folder, manifest.file ?? `${name}.safetensors`));
  const family = String(manifest.family ?? "");
  if (family.startsWith("diffusers UNet2DModel") && manifest.checkpoint && !manifest.steps)
    yield* runUNet(folder, manifest as unknown as UNetManifest, tensors, device, options);
  else if (family.startsWith("diffusers UNet2DModel") && manifest.steps)
    yield* runDiffusersRun(folder, manifest as unknown as RunManifest, tensors, device, options);
  else if (family.startsWith("lucidrains"))
    yield* runLucidrains(folder, manifest as unknown as LucidrainsManifest, tensors, device, options);
  else if (family === "diffusers schedulers")
    yield* runSchedulers(manifest.configs as Parameters<typeof runSchedulers>[0], tensors, device);
  else if (family === "diffusers DPMSolverMultistepScheduler")
    yield* runMultistep(manifest as unknown as MultistepManifest, tensors, device);
  else if (manifest.bank_keys || manifest.args || manifest.weights) {
    // One evaluation is held to 1e-4 of the values, which is finer than Winograd F(4,3); whole runs use the default.
    const whole = manifest.bank_keys !== undefined || manifest.args !== undefined;
    const own = { precision: whole ? "fast" : "exact", ...options } as const;
    using model = await openNetwork(folder, manifest, device, own);
    if (manifest.bank_keys) yield* runInversion(model, manifest.bank_keys as number[], tensors, own);
    else if (manifest.args) {
      const inversion = String(manifest.inversion_case);
      const inverted = await readTensors(join(folder, `${inversion}.safetensors`));
      yield* runGeneration(model, manifest.args as OfficialArguments, tensors, inverted, own);
    } else {
      if (tensors.has("x") && tensors.has("t")) yield* runForward(model, tensors, own);
      for (const subcase of (manifest.subcases ?? []) as unknown as Parameters<typeof runStepCase>[1][])
        yield* runStepCase(model, subcase, tensors, own);
    }
  } else if (manifest.seq || tensors.has("alphas_cumprod_f32")) yield* runSchedule(manifest, tensors);
  else yield* runKernelCase(manifest, tensors, { device, load: (file) => readTensors(join(folder, file)) });
}

/** Every file of a folder of containers: the good ones through the network, the bad ones refused. */
async function* runContainerCase(folder: string, device: Device): AsyncGenerator<CaseResult> {
  const forward = async (checkpoint: ModelCheckpoint, x: Float32Array, t: number) => {
    const network = await Network.load(checkpoint, device, { precision: "exact" });
    try {
      return (await network.forward(x, t)).eps;
    } finally {
      network.destroy();
    }
  };
  for await (const { case: id, detail: reason, ...result } of runContainers(folder, forward))
    yield { id, ...result, tolerance: TOLERANCE, reason };
}

/** Names of the cases of a directory: manifests that have tensors beside them. */
export function casesOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json") && file !== "index.json")
    .map((file) => file.slice(0, -5))
    .sort();
}
