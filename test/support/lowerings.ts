import { type Lowered, lower } from "../../src/graph/lower";
import { stepOps } from "../../src/inject/ops";
import { calibratedStep, injectedStep, plainStep } from "../../src/inject/step-graphs";
import type { Target } from "../../src/kernels/target";
import { openModelCheckpoint } from "../../src/model/checkpoint/model";
import { openSource } from "../../src/model/checkpoint/source-node";
import { hShape, type UNetConfig } from "../../src/model/config";
import { modelPresets } from "../../src/model/presets";
import { unet } from "../../src/model/unet";
import { shippedModel } from "../../src/platform/node";
import { software } from "./targets";

const gpu: Target = { ...software, adapterClass: "gpu" };

/** Every kind of adapter that the choice of kernels tells apart. */
export const targets: Readonly<Record<string, Target>> = {
  "software adapter": software,
  "software adapter, f16": { ...software, weights: "f16" },
  "software adapter, exact": { ...software, precision: "exact" },
  "software adapter without subgroups": { ...software, subgroups: false },
  "software adapter without subgroups, f16": { ...software, subgroups: false, weights: "f16" },
  GPU: gpu,
  "GPU, apart": { ...gpu, merges: false },
  "GPU with 1024 lanes": { ...gpu, maxLanes: 1024 },
  "GPU, f16": { ...gpu, weights: "f16" },
  "GPU, f16, exact": { ...gpu, weights: "f16", precision: "exact" },
  "GPU, exact": { ...gpu, precision: "exact" },
};

/** The networks of the shipped model and of the paper's, one of each shape. */
export async function networkConfigs(): Promise<Record<string, UNetConfig>> {
  const shipped = await openModelCheckpoint(await openSource(shippedModel("portraits64")!));
  await shipped.close();
  const { celebahq, ffhq, imagenet } = modelPresets;
  return {
    portraits64: shipped.config,
    celebahq: celebahq.config,
    ffhq: ffhq.config,
    imagenet: imagenet.config,
  };
}

/** The three step graphs of a network, lowered for a target. Variants do not depend on the batch. */
export function lowerings(config: UNetConfig, target: Target): Lowered[] {
  const net = unet(config, 1);
  const spec = { contents: [{ masked: false }] };
  const h = hShape(config);
  const graphs = [plainStep(net), injectedStep(net, spec, h), calibratedStep(net, spec, h)];
  return graphs.map((graph) => lower(graph, target, stepOps));
}
