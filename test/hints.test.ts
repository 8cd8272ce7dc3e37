import { describe, expect, test } from "vitest";
import { randomCheckpoint } from "../bench/random-checkpoint";
import { Model } from "../src/inject/model";
import { STEP, STEP_FLOATS } from "../src/kernels/step/step-row";
import type { ModelCheckpoint } from "../src/model/checkpoint/model";
import type { AdmConfig, DdpmConfig, UNetConfig } from "../src/model/config";
import { Network } from "../src/model/network";
import { unet } from "../src/model/unet";
import { platform } from "../src/platform/node";
import { seeded } from "../src/random";
import { ADM_P2, DDPM_TINY, open, stateOf } from "./checkpoint-models";
import { type State, safetensors } from "./checkpoint-writers";
import { testDevice } from "./support/device";
import { referenceGraph } from "./support/reference-network";
import { toDiffusers } from "./support/to-diffusers";

// What weights do not tell, and a caller may say: heads, family, labels.

const adm: AdmConfig = { ...ADM_P2, height: 16, width: 16, channels: 32, channelMult: [1, 2], attention: [1] };

/** One evaluation on the device and by the formulas, the worst difference relative to the rms. */
async function evaluate(checkpoint: ModelCheckpoint): Promise<{ eps: Float32Array; off: number }> {
  const network = await Network.load(checkpoint, await testDevice(), { precision: "exact" });
  const { inChannels, height, width } = checkpoint.config;
  const x = seeded(3, [1, inChannels, height, width]);
  const { eps } = await network.forward(x, 250);
  network.destroy();
  const weights = new Map<string, Float32Array>();
  for (const name of checkpoint.tensors.keys()) weights.set(name, await checkpoint.read(name));
  const net = unet(checkpoint.config, 1);
  const steps = new Float32Array(STEP_FLOATS);
  steps[STEP.T] = 250;
  const { data } = referenceGraph(net.graph, (key) => weights.get(key)!, { x, steps }).get(net.eps)!;
  const rms = Math.sqrt(Array.from(data).reduce((sum, v) => sum + v * v, 0) / data.length);
  return { eps, off: eps.reduce((most, v, i) => Math.max(most, Math.abs(v - data[i]!)), 0) / rms };
}

const headsIn = (config: UNetConfig) =>
  unet(config, 1).graph.nodes.flatMap(({ name, op }) => (op.kind === "attention" ? [[name, op.heads] as const] : []));

describe("heads", () => {
  test("a head width acts on DDPM networks, too", async () => {
    const bytes = await safetensors(scaled(DDPM_TINY));
    const one = await open(bytes, { resolution: 16 });
    const two = await open(bytes, { resolution: 16, headChannels: 16 });
    expect(two.config).toMatchObject({ family: "ddpm", headChannels: 16 });
    expect(two.from.headChannels).toBe("given");
    expect(headsIn(one.config).every(([, heads]) => heads === 1)).toBe(true);
    expect(headsIn(two.config).every(([, heads]) => heads === 2)).toBe(true);
    const [a, b] = [await evaluate(one), await evaluate(two)];
    expect(a.off).toBeLessThan(3e-5);
    expect(b.off).toBeLessThan(3e-5);
    expect(Math.max(...a.eps.map((v, i) => Math.abs(v - b.eps[i]!)))).toBeGreaterThan(1e-3);
    await expect(open(bytes, { resolution: 16, headChannels: 40 })).rejects.toThrow(
      "attention over 32 channels does not divide into heads of 40",
    );
  });
  test("ADM may have another number going up", async () => {
    const bytes = await safetensors(scaled(adm));
    const model = await open(bytes, { resolution: 16, heads: 2, headsUp: 4 });
    expect(model.config).toMatchObject({ headChannels: 0, heads: 2, headsUp: 4 });
    expect(model.from).toMatchObject({ heads: "given", headsUp: "given" });
    const heads = headsIn(model.config);
    const up = heads.filter(([name]) => name.startsWith("output_blocks"));
    expect(up.map(([, n]) => n)).toEqual([4, 4]);
    expect(heads.filter((head) => !up.includes(head)).map(([, n]) => n)).toEqual([2, 2]);
    expect((await evaluate(model)).off).toBeLessThan(3e-5);
    await expect(open(bytes, { resolution: 16, heads: 2, headsUp: 5 })).rejects.toThrow(
      "attention over 64 channels does not divide into 5 heads",
    );
  });
});

describe("a file of diffusers' names without a config", () => {
  const theirs: State = new Map([...stateOf(DDPM_TINY)].map(([name, value]) => [toDiffusers(name, 2, "new"), value]));
  test("is refused with what to give", async () => {
    await expect(open(await safetensors(theirs), { resolution: 16 })).rejects.toThrow(
      /its shapes do not tell padding, time embedding and heads; .*--family ddpm .*--family diffusers/,
    );
  });
  test.each([
    ["ddpm", { pad: "asymmetric", embedding: { order: "sin-cos", shift: 1 }, eps: 1e-6, headChannels: 0 }],
    ["diffusers", { pad: "same", embedding: { order: "cos-sin", shift: 0 }, eps: 1e-5, headChannels: 8 }],
  ] as const)("follows the family %s", async (family, expected) => {
    const model = await open(await safetensors(theirs), { resolution: 16, family });
    expect(model.config).toMatchObject(expected);
    expect(model.from.pad).toBe(`family ${family}, given`);
  });
});

describe("labels", () => {
  const conditional: AdmConfig = { ...adm, classes: 5 };
  const of = async (config: UNetConfig) => Network.load(randomCheckpoint("m", config), await testDevice());
  test("missing, out of range, or too few are refused", async () => {
    const network = await of(conditional);
    const x = seeded(1, [1, 3, 16, 16]);
    await expect(network.forward(x, 1)).rejects.toThrow(
      "this network is class-conditional: give a label from 0 to 4 (--label)",
    );
    await expect(network.forward(x, 1, [5])).rejects.toThrow("label 5: this network has classes 0 to 4");
    await expect(network.forward(x, 1, [1.5])).rejects.toThrow("label 1.5: this network has classes 0 to 4");
    await expect(network.forward(x, 1, [1, 2])).rejects.toThrow("2 labels for 1 images");
    expect((await network.forward(x, 1, [4])).eps.every(Number.isFinite)).toBe(true);
    network.destroy();
  });
  test("a run asks for one before it starts", async () => {
    using model = new Model(await of(conditional), platform, { name: "m" });
    const picture = { tensor: seeded(2, [3, 16, 16]) };
    await expect(model.invert([picture], { steps: 2 })).rejects.toThrow("give a label from 0 to 4");
  });
});

test("a tensor that is not the model's square is refused", async () => {
  using model = new Model(await Network.load(randomCheckpoint("m", DDPM_TINY), await testDevice()), platform, {
    name: "m",
  });
  await expect(model.invert([{ tensor: seeded(2, [3, 16, 12]) }], { steps: 2 })).rejects.toThrow(
    "a tensor of 576 values; the model needs 3x16x16",
  );
});

/** Seeded weights as a trained network has them: variance 1 / fan-in. */
function scaled(config: DdpmConfig | AdmConfig): State {
  return new Map(
    [...stateOf(config)].map(([name, { shape, values }]) => {
      const fan = shape.slice(1).reduce((a, b) => a * b, 1);
      const size = shape.length === 1 ? 0.1 : Math.sqrt(3 / fan);
      const norm = shape.length === 1 && name.endsWith(".weight") ? 1 : 0;
      return [name, { shape, values: values.map((v) => v * size + norm) }];
    }),
  );
}
