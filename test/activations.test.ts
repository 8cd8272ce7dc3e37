import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { UserError } from "../src/errors";
import { planOf } from "../src/graph/compiled";
import { dispatchesOf, lower } from "../src/graph/lower";
import { Model } from "../src/inject/model";
import { stepOps } from "../src/inject/ops";
import { resolveParameters } from "../src/inject/parameters";
import { plainStep } from "../src/inject/step-graphs";
import { byteLength } from "../src/kernels/dispatch";
import type { Target } from "../src/kernels/target";
import { psnrOfValues } from "../src/metrics/psnr";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { openSource } from "../src/model/checkpoint/source-node";
import type { UNetConfig } from "../src/model/config";
import { Network, targetOf } from "../src/model/network";
import { unet } from "../src/model/unet";
import { platform, shippedExamples, shippedModel } from "../src/platform/node";
import { seeded } from "./support/close";
import { testDevice } from "./support/device";
import { lowerings, networkConfigs } from "./support/lowerings";
import { software } from "./support/targets";

// Activations in f16: which tensors they are, what they save, and how far the results are from those in f32.

const gpu: Target = { ...software, adapterClass: "gpu", maxBindingBytes: 2 ** 30 };
const configs = await networkConfigs();
const shipped = await openModelCheckpoint(await openSource(shippedModel("portraits64")!));
afterAll(() => shipped.close());

describe.each([
  ["GPU", gpu],
  ["GPU, merged", { ...gpu, merges: true }],
  ["GPU, weights in f16", { ...gpu, weights: "f16" }],
  ["software adapter", software],
  ["software adapter without subgroups", { ...software, subgroups: false }],
] as const)("%s", (_, target: Target) => {
  test.each(Object.entries(configs))("%s: pictures within the network are f16, all else is not", (_, config) => {
    const own = new Set(["x", "x_next", "x0", "eps", "steps", "noise", "calibration/p", "calibration/x"]);
    for (const lowered of lowerings(config, { ...target, activations: "f16" }))
      for (const { shader, bindings } of dispatchesOf(lowered))
        for (const { tensor, access } of bindings) {
          if (lowered.weights.has(tensor.name) || access === "step") continue;
          const { name, shape, dtype } = tensor;
          const step =
            own.has(name.replace(/^calibrated\//, "")) || /^(?:content|mask)\./.test(name) || name.startsWith("ddim/");
          const scratch = /\/(?:scores|parts|sums|tiles|partials|noise)\d*$/.test(name);
          const half = (shape.length === 4 && !step && !scratch) || name.endsWith("/rows"); // a copy of keys
          expect(dtype === "f16", `${shader} ${name} [${shape}]`).toBe(half);
        }
  });
});

describe("bytes", () => {
  /** The least memory that the tensors of a plain step need on a GPU without Winograd, whose scratch tensors are f32. */
  const bytes = (config: UNetConfig, batch: number, activations: "f32" | "f16") => {
    const target: Target = { ...gpu, weights: "f16", precision: "exact", activations };
    return planOf(lower(plainStep(unet(config, batch)), target, stepOps));
  };

  test("plans of the shipped model take half of them", () => {
    const [full, half] = [bytes(configs.portraits64!, 4, "f32"), bytes(configs.portraits64!, 4, "f16")];
    expect(half.lowerBound / full.lowerBound).toBeLessThan(0.6);
    expect(half.bytes / half.lowerBound).toBeLessThanOrEqual(1.05);
  });

  test("an odd number of halves ends within a word", () => {
    expect(byteLength({ name: "x", shape: [1, 3, 3, 3], dtype: "f16" })).toBe(56);
  });
});

describe("asked for", () => {
  test("by the option alone, never by f16 weights, and refused without the feature", async () => {
    const device = await testDevice();
    expect(targetOf(device, { dtype: "f16" }).activations).toBeUndefined();
    const has = vi.spyOn(device, "has").mockReturnValue(true);
    expect(targetOf(device, { activations: "f16" }).activations).toBe("f16");
    has.mockReturnValue(false);
    expect(() => targetOf(device, { activations: "f16" })).toThrow(UserError);
    expect(() => targetOf(device, { activations: "f16" })).toThrow(/lacks the WebGPU feature shader-f16/);
    has.mockRestore();
  });
});

describe("against f32, on adapters with shader-f16", () => {
  let halves = false;
  beforeAll(async () => {
    halves = (await testDevice()).has("shader-f16");
  });
  const rms = (values: ArrayLike<number>) =>
    Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0) / values.length);
  const load = async (options: { dtype?: "f16"; activations?: "f16" }) =>
    Network.load(shipped, await testDevice(), options);

  for (const adapterClass of ["gpu", "software"] as const)
    test(`shipped model, kernels of the class ${adapterClass}: eps and h`, { timeout: 900_000 }, async ({ skip }) => {
      skip(!halves, "this adapter lacks shader-f16");
      const device = await testDevice();
      const kind = vi.spyOn(device, "adapterClass", "get").mockReturnValue(adapterClass);
      const x = seeded(1, [1, 3, 64, 64]);
      const evaluate = async (options: { dtype?: "f16"; activations?: "f16" }) => {
        const network = await load(options);
        const found = await network.forward(x, 400);
        network.destroy();
        return found;
      };
      const expected = await evaluate({ dtype: "f16" });
      const found = await evaluate({ dtype: "f16", activations: "f16" });
      kind.mockRestore();
      for (const part of ["eps", "h"] as const) {
        const off = rms(found[part].map((v, i) => v - expected[part][i]!)) / rms(expected[part]);
        console.log(`${adapterClass}: ${part} off by ${off.toPrecision(2)} of its size`);
        expect(off).toBeLessThan(3e-3);
        expect(off).toBeGreaterThan(0);
      }
    });

  test("shipped model: a pair inverted and injected is the same within two levels of 255", {
    timeout: 1_800_000,
  }, async ({ skip }) => {
    skip(!halves, "this adapter lacks shader-f16");
    const [content, original] = shippedExamples() as [string, string];
    const images: Float32Array[] = [];
    for (const options of [{}, { dtype: "f16", activations: "f16" }] as const) {
      const model = new Model(await load(options), platform, { name: "portraits64" });
      const { solver, stepsInversion, steps } = resolveParameters({}, "fast");
      const inverted = await model.invert([content, original], { steps: stepsInversion, solver });
      const result = await model.inject({
        content: inverted.select(0),
        original: inverted.select(1),
        preset: "fast",
        steps,
        tBoost: 0,
      });
      images.push(await result.read());
      result[Symbol.dispose]();
      inverted.dispose();
      model.dispose();
    }
    const [full, half] = images as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
    const levels = full.reduce((most, v, i) => Math.max(most, Math.abs(v - half[i]!)), 0) * 127.5;
    const db = psnrOfValues(full, half);
    console.log(`f16 for f32: at most ${levels.toPrecision(3)} levels of 255, ${db.toFixed(1)} dB`);
    expect(levels).toBeLessThanOrEqual(2);
    expect(db).toBeGreaterThanOrEqual(45);
  });
});
