import { afterAll, expect, test } from "vitest";
import { externalNames, planOf } from "../src/graph/compiled";
import { dispatchesOf, lower } from "../src/graph/lower";
import { stepOps } from "../src/inject/ops";
import { calibratedStep, injectedStep, plainStep } from "../src/inject/step-graphs";
import type { Target } from "../src/kernels/target";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { openSource } from "../src/model/checkpoint/source-node";
import { hShape, type UNetConfig } from "../src/model/config";
import { modelPresets } from "../src/model/presets";
import { unet } from "../src/model/unet";
import { shippedModel } from "../src/platform/node";
import { software } from "./support/targets";

const target: Target = { ...software, maxBindingBytes: 2 ** 30 };
const shipped = await openModelCheckpoint(await openSource(shippedModel("portraits64")!));
afterAll(() => shipped.close());
const configs: Record<string, UNetConfig> = {
  shipped: shipped.config,
  celebahq: modelPresets.celebahq.config,
  "afhq-dog": modelPresets["afhq-dog"].config,
};

const stepGraphs = (config: UNetConfig, batch: number) => {
  const net = unet(config, batch);
  const spec = { contents: [{ masked: false }] };
  return {
    plain: plainStep(net),
    injected: injectedStep(net, spec, hShape(config)),
    calibrated: calibratedStep(net, spec, hShape(config)),
  };
};

const targets: readonly Target[] = (["software", "gpu"] as const).flatMap((adapterClass) => [
  ...(["f32", "f16"] as const).map((weights): Target => ({ ...target, adapterClass, weights })),
  ...(adapterClass === "gpu" ? [{ ...target, adapterClass, merges: false }] : []),
]);

for (const [name, config] of Object.entries(configs))
  for (const [batch, target] of [1, 4].flatMap((batch) => targets.map((t) => [batch, t] as const)))
    test(`${name}, batch ${batch}, ${target.adapterClass}, ${target.weights}${target.merges === false ? ", apart" : ""}: plans are valid, within 5 % of the liveness bound`, () => {
      for (const [kind, graph] of Object.entries(stepGraphs(config, batch))) {
        const lowered = lower(graph, target, stepOps);
        const plan = planOf(lowered);
        expect(plan.bytes, kind).toBeGreaterThanOrEqual(plan.lowerBound);
        expect(plan.bytes / plan.lowerBound, kind).toBeLessThanOrEqual(1.05);
        expectValid(lowered, plan.places);
      }
    });

/** Replays the dispatches against the plan: no write may touch bytes that hold another living tensor, and no dispatch may
 *  read one range of a buffer and write another. */
function expectValid(lowered: ReturnType<typeof lower>, places: ReturnType<typeof planOf>["places"]): void {
  const external = externalNames(lowered);
  const dispatches = dispatchesOf(lowered);
  const lastUse = new Map<string, number>();
  dispatches.forEach((d, i) => {
    for (const { tensor } of d.bindings) lastUse.set(tensor.name, i);
  });
  const living = new Map<string, { slot: number; offset: number; bytes: number }>();
  dispatches.forEach((d, i) => {
    const own = d.bindings.filter(({ tensor }) => !external.has(tensor.name));
    const written = new Set(
      own.filter((b) => b.access !== "read" && b.access !== "step").map((b) => places.get(b.tensor.name)!.slot),
    );
    for (const { tensor, access } of own) {
      const place = places.get(tensor.name)!;
      if (access === "read" && written.has(place.slot)) expect.fail(`${d.label}: reads and writes slot ${place.slot}`);
      for (const [name, other] of living) {
        if (name === tensor.name || other.slot !== place.slot) continue;
        if (other.offset < place.offset + place.bytes && place.offset < other.offset + other.bytes)
          expect.fail(`${d.label}: ${tensor.name} overlaps ${name}`);
      }
      living.set(tensor.name, place);
    }
    for (const name of living.keys()) if (lastUse.get(name) === i) living.delete(name);
  });
}

test("multiply-adds are those of the published networks", () => {
  const gmacs = (config: UNetConfig, kind: "plain" | "injected") =>
    lower(stepGraphs(config, 1)[kind], target, stepOps).nodes.reduce((sum, n) => sum + n.macs, 0) / 1e9;
  expect(gmacs(modelPresets.celebahq.config, "plain")).toBeCloseTo(248.5, 0);
  expect(gmacs(modelPresets["afhq-dog"].config, "plain")).toBeCloseTo(194.0, 0);
  expect(gmacs(modelPresets.imagenet.config, "plain")).toBeCloseTo(1119.8, 0);
  // An injected step is the encoder, the middle and two decoders.
  expect(gmacs(modelPresets.celebahq.config, "injected")).toBeCloseTo(66.9 + 0.68 + 2 * 180.9, 0);
});
