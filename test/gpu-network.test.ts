import { expect, test, vi } from "vitest";
import { randomCheckpoint } from "../bench/random-checkpoint";
import { openDevice } from "../src/gpu/open-node";
import type { ModelCheckpoint } from "../src/model/checkpoint/model";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { openSource } from "../src/model/checkpoint/source-node";
import type { AdmConfig, LucidrainsConfig } from "../src/model/config";
import { Network, type NetworkOptions } from "../src/model/network";
import { modelPresets } from "../src/model/presets";
import { shippedModel } from "../src/platform/node";
import { seeded } from "../src/random";
import { tiny } from "./support/tiny-lucidrains";

// The kernels that a GPU would run, in whole networks, on whatever adapter there is.

const adm: AdmConfig = { ...modelPresets["afhq-dog"].config, height: 32, width: 32, channels: 32, channelMult: [1, 2] };
const lucidrains: LucidrainsConfig = {
  ...tiny,
  height: 24,
  width: 24,
  channels: 16,
  channelMult: [1, 2],
  heads: 2,
  headChannels: 12,
  embeddingChannels: 64,
};
const networks: Record<string, () => Promise<ModelCheckpoint>> = {
  portraits64: async () => openModelCheckpoint(await openSource(shippedModel("portraits64")!)),
  "ADM of 32x32": async () => randomCheckpoint("adm", adm),
  "lucidrains' of 24x24": async () => randomCheckpoint("lucidrains", lucidrains),
};

const rms = (values: ArrayLike<number>) =>
  Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0) / values.length);

for (const [name, open] of Object.entries(networks))
  test(`${name}: a GPU's kernels compute what those of this adapter do`, { timeout: 300_000 }, async () => {
    using device = await openDevice();
    const checkpoint = await open();
    const side = checkpoint.config.height;
    const x = seeded(1, [1, 3, side, side]);
    const forward = async (options: NetworkOptions) => {
      const network = await Network.load(checkpoint, device, options);
      const { eps, h } = await network.forward(x, [500]);
      network.destroy();
      return { eps, h };
    };
    const expected = await forward({});
    const adapterClass = vi.spyOn(device, "adapterClass", "get").mockReturnValue("gpu");
    const all = [{}, { precision: "exact" }, { dtype: "f16" }] as const;
    for (const options of name === "portraits64" ? all.slice(0, 1) : all) {
      const found = await forward(options);
      for (const part of ["eps", "h"] as const) {
        const off = rms(found[part].map((v, i) => v - expected[part][i]!)) / rms(expected[part]);
        expect(off, `${JSON.stringify(options)} ${part}`).toBeLessThan("dtype" in options ? 5e-3 : 1e-4);
      }
    }
    adapterClass.mockRestore();
    checkpoint.close();
  });
