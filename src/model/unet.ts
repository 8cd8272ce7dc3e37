import { f32Input, type Graph, GraphBuilder, u32Input } from "../graph/graph";
import { STEP_FLOATS } from "../kernels/step/step-row";
import { isConditional, type UNetConfig } from "./config";
import type { NetworkOp } from "./ops";
import { admUNet } from "./unet-adm";
import { ddpmUNet } from "./unet-ddpm";
import { lucidrainsUNet } from "./unet-lucidrains";

/** A U-Net as a graph, and the names by which the rest of the engine reaches into it. */
export interface UNet {
  readonly graph: Graph<NetworkOp>;
  /** tensor of the bottleneck h: output of the last middle block */
  readonly h: string;
  /** tensor of the skip of the same level: what the first decoder block is given beside h */
  readonly g: string;
  /** output: the prediction in its first channels, as many as the input has */
  readonly eps: string;
}

/** Graph inputs of every U-Net: the noisy image, and this step's row of the step table (time step inside). */
export const INPUT = { x: "x", steps: "steps", labels: "labels" } as const;

function build(config: UNetConfig, builder: GraphBuilder<NetworkOp>): Omit<UNet, "graph"> {
  switch (config.family) {
    case "ddpm":
      return ddpmUNet(config, builder);
    case "adm":
      return admUNet(config, builder);
    case "lucidrains":
      return lucidrainsUNet(config, builder);
    default:
      return config satisfies never;
  }
}

/** Builds the network of `config` for `batch` images.   Ho et al. 2020 (ddpm); Dhariwal & Nichol 2021 (adm); lucidrains */
export function unet(config: UNetConfig, batch: number): UNet {
  const builder = new GraphBuilder<NetworkOp>();
  const { h, g, eps } = build(config, builder);
  const graph: Graph<NetworkOp> = {
    inputs: {
      [INPUT.x]: f32Input(batch, config.inChannels, config.height, config.width),
      [INPUT.steps]: f32Input(batch, STEP_FLOATS),
      ...(isConditional(config) && { [INPUT.labels]: config.classes > 0 ? u32Input(batch) : f32Input(batch) }),
    },
    nodes: builder.nodes.map((node) => (node.output === eps ? { ...node, full: true } : node)),
    outputs: [eps, h],
  };
  return { graph, h, g, eps };
}
