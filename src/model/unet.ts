import { type Graph, GraphBuilder } from "../graph/graph";
import type { UNetConfig } from "./config";
import { admUNet } from "./unet-adm";
import { ddpmUNet } from "./unet-ddpm";

/** A U-Net as a graph, and the names by which the rest of the engine reaches into it. */
export interface UNet {
  readonly graph: Graph;
  /** tensor of the bottleneck h: output of the last middle block */
  readonly h: string;
  /** tensor of the skip of the same level: what the first decoder block is given beside h */
  readonly g: string;
  /** output: eps in its first 3 channels */
  readonly eps: string;
}

/** Graph inputs of every U-Net: the noisy image, and this step's row of the step table (time step inside). */
export const INPUT = { x: "x", steps: "steps", labels: "labels" } as const;

/** Builds the network of `config` for `batch` images.   Ho et al. 2020 (ddpm); Dhariwal & Nichol 2021 (adm) */
export function unet(config: UNetConfig, batch: number): UNet {
  const builder = new GraphBuilder();
  const { h, g, eps } = config.family === "ddpm" ? ddpmUNet(config, builder) : admUNet(config, builder);
  const side = config.resolution;
  const graph: Graph = {
    inputs: {
      [INPUT.x]: [batch, config.inChannels, side, side],
      [INPUT.steps]: [batch],
      ...(config.classes > 0 && { [INPUT.labels]: [batch] }),
    },
    nodes: builder.nodes,
    outputs: [eps, h],
  };
  return { graph, h, g, eps };
}
