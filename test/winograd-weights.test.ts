import { expect, test, vi } from "vitest";
import { randomCheckpoint } from "../bench/random-checkpoint";
import { readBuffer } from "../src/gpu/buffers";
import { openDevice } from "../src/gpu/open-node";
import { packConv } from "../src/kernels/conv/conv";
import { finished } from "../src/kernels/conv/packing";
import { convVariants } from "../src/kernels/conv/tuner-variants";
import { convShape } from "../src/kernels/conv/variant";
import { f32 } from "../src/kernels/dispatch";
import type { Target } from "../src/kernels/target";
import { Network } from "../src/model/network";
import { networkOps } from "../src/model/ops";
import { modelPresets } from "../src/model/presets";
import { seeded } from "../src/random";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { software } from "./support/targets";

const gpu: Target = { ...software, adapterClass: "gpu", subgroups: false };
const sizes = [
  { c1: 32, c2: 0, oc: 32 },
  { c1: 33, c2: 7, oc: 21 },
  { c1: 100, c2: 92, oc: 65 },
];

for (const variant of convVariants.filter(({ transform }) => transform))
  for (const [where, target] of Object.entries({ gpu, software }))
    for (const size of sizes)
      for (const stride of [1, 2] as const) {
        const shape = convShape({ kernel: 3, n: 1, h: 16, w: 16, stride, ...size });
        if (!variant.runs(shape, target)) continue;
        test(`${variant.name}, ${size.c1} + ${size.c2} to ${size.oc} channels: transformed on a ${where} as on the host`, async () => {
          const filters = f32("filters", size.oc, size.c1 + size.c2, 3, 3);
          const values = seeded(1, filters.shape);
          const u = variant.weight("u", shape, target);
          const dispatch = variant.transform!(filters, u, shape);
          const [found] = await runDispatches([dispatch], new Map([[filters, values]]), [u]);
          const expected = new Float32Array(packConv(values, variant, shape, target).buffer);
          expectClose(found!, expected, u.shape, { rtol: 0, atol: 4e-7 }); // of filters up to 1; a sum of nine rounds four times
        });
      }

test("the device transforms the filters of a large network when it is loaded", { timeout: 300_000 }, async () => {
  using device = await openDevice();
  const { config } = modelPresets["afhq-dog"];
  const checkpoint = randomCheckpoint("adm", { ...config, height: 32, width: 32, channels: 256, channelMult: [1, 2] });
  const compiled = vi.spyOn(device.pipelines, "get");
  const network = await Network.load(checkpoint, device);
  expect(compiled.mock.calls.map(([{ shader }]) => shader)).toContain("conv/winograd_filter");
  const packed = [...network.lower(network.unet(1).graph, networkOps).weights.values()].filter((w) => w.transform);
  for (const { tensor, sources, packing } of [packed[0]!, packed.at(-1)!]) {
    const found = new Float32Array(await readBuffer(device, network.weights.get(tensor.name)!));
    const filters = await checkpoint.read(sources[0]!.key);
    const expected = finished(packing!(filters, (length) => new Float32Array(length)));
    expectClose(found, new Float32Array(expected.buffer), tensor.shape, { rtol: 0, atol: 4e-7 });
  }
  network.destroy();
  checkpoint.close();
});
