import { afterAll, expect, test } from "vitest";
import { openDevice } from "../src/gpu/open-node";
import { pipelineKey } from "../src/gpu/pipelines";
import { dispatchesOf, lower } from "../src/graph/lower";
import { stepOps } from "../src/inject/ops";
import { calibratedStep, injectedStep, plainStep } from "../src/inject/step-graphs";
import { f32 } from "../src/kernels/dispatch";
import { silu } from "../src/kernels/pointwise/silu";
import type { Target } from "../src/kernels/target";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { openSource } from "../src/model/checkpoint/source-node";
import { hShape, type UNetConfig } from "../src/model/config";
import { modelPresets } from "../src/model/presets";
import { unet } from "../src/model/unet";
import { shippedModel } from "../src/platform/node";
import { lowerings, targets } from "./support/lowerings";

const shipped = await openModelCheckpoint(await openSource(shippedModel("portraits64")!));
afterAll(() => shipped.close());

const configs: Record<string, UNetConfig> = { shipped: shipped.config };
for (const name of ["celebahq", "afhq-dog", "imagenet"] as const) configs[name] = modelPresets[name].config;

for (const [name, config] of Object.entries(configs))
  for (const adapterClass of ["software", "gpu"] as const)
    test(`${name} on a ${adapterClass} adapter: all three step graphs need few pipelines`, () => {
      const target: Target = {
        adapterClass,
        subgroups: true,
        precision: "fast",
        weights: "f32",
        maxBindingBytes: 2 ** 30,
      };
      const net = unet(config, 1);
      const spec = { contents: [{ masked: false }] };
      const graphs = [
        plainStep(net),
        injectedStep(net, spec, hShape(config)),
        calibratedStep(net, spec, hShape(config)),
      ];
      const dispatches = graphs.flatMap((graph) => dispatchesOf(lower(graph, target, stepOps)));
      const distinct = new Set(dispatches.map(pipelineKey)).size;
      expect(distinct).toBeLessThanOrEqual(52); // each costs a compilation before the first step
      expect(dispatches.length / distinct).toBeGreaterThan(10);
    });

test("a GPU runs a step of the shipped model in this many dispatches, a software adapter as before", () => {
  const counts = (target: Target) => lowerings(shipped.config, target).map((lowered) => dispatchesOf(lowered).length);
  expect(counts(targets.GPU!)).toEqual([120, 125, 246]); // plain, injected, calibrated
  expect(counts(targets["GPU, apart"]!)).toEqual([187, 191, 379]);
  expect(counts(targets["software adapter"]!)).toEqual([185, 189, 375]);
  expect(counts({ ...targets["software adapter"]!, merges: true })).toEqual([185, 189, 375]);
});

test("dispatches of other sizes share a pipeline, and those asked for at once share its compilation", async () => {
  using device = await openDevice();
  const of = (count: number) => silu({ x: f32("x", 1, count), y: f32("y", 1, count) })[0]!;
  const [a, b, c] = await Promise.all([of(1024), of(1024), of(4096)].map((dispatch) => device.pipelines.get(dispatch)));
  expect(device.pipelines.size).toBe(1);
  expect(a!.pipeline).toBe(b!.pipeline);
  expect(a!.pipeline).toBe(c!.pipeline);
});
