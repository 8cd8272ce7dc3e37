import type { ModelCheckpoint } from "../../src/model/checkpoint/model";
import { openModelCheckpoint } from "../../src/model/checkpoint/model";
import { openSource } from "../../src/model/checkpoint/source-node";
import { modelPresets } from "../../src/model/presets";
import { shippedModel } from "../../src/platform/node";
import { randomFile } from "../random-checkpoint";
import { ddpm32 } from "./ddpm32";

export interface BenchNetwork {
  readonly name: string;
  /** Too large for a software adapter, which loads it only. */
  readonly onGpu?: true;
  open(): Promise<ModelCheckpoint>;
}

export const benchNetworks: readonly BenchNetwork[] = [
  {
    name: "portraits64",
    async open() {
      const file = shippedModel("portraits64");
      if (!file) throw new Error("weights/portraits64.safetensors is missing");
      return await openModelCheckpoint(await openSource(file));
    },
  },
  { name: "ddpm32", open: () => randomFile("ddpm32", ddpm32) },
  { name: "celebahq", onGpu: true, open: () => randomFile("celebahq", modelPresets.celebahq.config) },
];
