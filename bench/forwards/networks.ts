import type { ModelCheckpoint } from "../../src/model/checkpoint/model";
import { openModel } from "../../src/model/checkpoint/model";
import { openSource } from "../../src/model/checkpoint/source-node";
import type { UNetConfig } from "../../src/model/config";
import { shippedModel } from "../../src/platform/node";
import { randomCheckpoint } from "../random-checkpoint";

/** Ho et al.'s network for 32x32 at half the width: 3.17 GFLOP a forward, attention at 16x16 and in the middle. */
export const ddpm32: UNetConfig = {
  family: "ddpm",
  resolution: 32,
  inChannels: 3,
  outChannels: 3,
  channels: 64,
  channelMult: [1, 2, 2],
  resBlocks: 2,
  attention: [1],
  groups: 32,
  eps: 1e-6,
  headChannels: 0,
  qkvOrder: "legacy",
  scaleShift: false,
  resblockUpdown: false,
  convResample: true,
  classes: 0,
};

export interface BenchNetwork {
  readonly name: string;
  open(): Promise<ModelCheckpoint>;
}

export const benchNetworks: readonly BenchNetwork[] = [
  {
    name: "portraits64",
    async open() {
      const file = shippedModel("portraits64");
      if (!file) throw new Error("weights/portraits64.safetensors is missing");
      return await openModel(await openSource(file));
    },
  },
  { name: "ddpm32", open: async () => randomCheckpoint("ddpm32", ddpm32) },
];
