import { afterAll, expect, test } from "vitest";
import { lower } from "../src/graph/lower";
import { Model } from "../src/inject/model";
import { byteLength } from "../src/kernels/dispatch";
import type { Target } from "../src/kernels/target";
import { decode } from "../src/model/checkpoint/dtype";
import { describeHalf } from "../src/model/checkpoint/f16";
import { type ModelCheckpoint, openModelCheckpoint } from "../src/model/checkpoint/model";
import { openSource } from "../src/model/checkpoint/source-node";
import type { UNetConfig } from "../src/model/config";
import { Network } from "../src/model/network";
import { networkOps } from "../src/model/ops";
import { modelPresets } from "../src/model/presets";
import { unet } from "../src/model/unet";
import { platform, shippedExamples, shippedModel } from "../src/platform/node";
import { DDPM_TINY, open, stateOf } from "./checkpoint-models";
import { encode, type State, safetensors } from "./checkpoint-writers";
import { expectClose, seeded } from "./support/close";
import { testDevice } from "./support/device";

const shipped = await openModelCheckpoint(await openSource(shippedModel("portraits64")!));
afterAll(() => shipped.close());

const configs: Record<string, UNetConfig> = { portraits64: shipped.config };
for (const name of ["celebahq", "afhq-dog", "imagenet"] as const) configs[name] = modelPresets[name].config;

const targets: Record<string, Omit<Target, "weights">> = {
  "a GPU": { adapterClass: "gpu", subgroups: true, precision: "fast", maxBindingBytes: 2 ** 30 },
  "a software adapter": { adapterClass: "software", subgroups: true, precision: "fast", maxBindingBytes: 2 ** 30 },
  "no subgroups": { adapterClass: "software", subgroups: false, precision: "exact", maxBindingBytes: 2 ** 30 },
};

for (const [name, config] of Object.entries(configs))
  for (const [where, target] of Object.entries(targets))
    test(`${name} on ${where}: f16 weights take half the bytes of f32`, () => {
      const { graph } = unet(config, 1);
      const weights = (dtype: Target["weights"]) => [
        ...lower(graph, { ...target, weights: dtype }, networkOps).weights.values(),
      ];
      const bytes = (dtype: Target["weights"]) =>
        weights(dtype).reduce((sum, { tensor }) => sum + byteLength(tensor), 0);
      const parameters = weights("f32").reduce((sum, w) => w.sources.reduce((s, { elements }) => s + elements, sum), 0);
      expect(bytes("f16") / bytes("f32")).toBeLessThanOrEqual(0.52);
      // Tiles pad: 96 channels to 128. Of the checkpoint's own, transformed filters are 2 for F(4,3), and 0.9 or 1.4 for F(2,3).
      expect(bytes("f16") / (4 * parameters)).toBeLessThanOrEqual(where === "a GPU" ? 1.2 : 0.6);
    });

const tiny = stateOf(DDPM_TINY);
const load = async (checkpoint: ModelCheckpoint, dtype: "f32" | "f16") =>
  new Model(await Network.load(checkpoint, await testDevice(), { dtype }), platform, { name: dtype });
const tinyModel = async (state: State, dtype: "f32" | "f16") =>
  load(await open(await safetensors(state), { resolution: 16 }), dtype);
const x = seeded(1, [1, 3, 16, 16]);

test("f16 in storage computes what f32 does on rounded weights", async () => {
  const rounded = new Map(
    [...tiny].map(([name, { shape, values }]) => {
      const layer = shape.length > 1; // convolutions and linear layers; norms and biases stay f32
      return [name, { shape, values: layer ? decode(new Uint8Array(encode(values, "F16")), "F16") : values }];
    }),
  );
  const [half, full] = [await tinyModel(tiny, "f16"), await tinyModel(rounded, "f32")];
  const [actual, expected] = [await half.forward(x, 400), await full.forward(x, 400)];
  const top = Math.max(...expected.eps.map(Math.abs));
  expectClose(actual.eps, expected.eps, [1, 3, 16, 16], { rtol: 0, atol: 2e-5 * top }); // f32 goes through Winograd
  expect(half.storage).toMatchObject({ dtype: "f16", notes: {} });
  expect(half.storage.bytes).toBeLessThanOrEqual(0.52 * 4 * half.parameterCount);
  half.dispose();
  full.dispose();
});

test("a weight that f16 would damage stays f32 on the GPU, and is reported", async () => {
  const odd = new Map(tiny);
  const scaled = (name: string, factor: number) => {
    const { shape, values } = tiny.get(name)!;
    odd.set(name, { shape, values: values.map((v, i) => (i % 50 === 0 ? v * factor : v)) });
  };
  scaled("conv_in.weight", 1e7); // beyond 65504
  scaled("down.0.block.0.conv1.weight", 1e-9); // 2 % to zero
  scaled("mid.attn_1.proj_out.weight", 1e-9);
  scaled("temb.dense.1.weight", 1e7);
  const small = tiny.get("conv_out.weight")!;
  odd.set("conv_out.weight", { ...small, values: small.values.map((v, i) => (i === 0 ? 1e-9 : v)) }); // 0.1 %: stays f16
  const [half, full] = [await tinyModel(odd, "f16"), await tinyModel(odd, "f32")];
  const { notes } = half.storage;
  const kept = Object.keys(notes).filter((name) => !notes[name]!.safe);
  expect(kept.sort()).toEqual([
    "conv_in.weight",
    "down.0.block.0.conv1.weight",
    "mid.attn_1.proj_out.weight",
    "temb.dense.1.weight*1",
  ]);
  expect(notes["conv_out.weight"]).toMatchObject({ safe: true, flushed: 1 });
  expect(describeHalf("conv_in.weight", notes["conv_in.weight"]!)).toMatch(
    /^kept f32 conv_in\.weight: \d+ beyond 65504/,
  );
  const [actual, expected] = [await half.forward(x, 400), await full.forward(x, 400)];
  const top = Math.max(...expected.eps.map(Math.abs));
  expect(top).toBeLessThan(Number.POSITIVE_INFINITY);
  expectClose(actual.eps, expected.eps, [1, 3, 16, 16], { rtol: 0, atol: 1e-2 * top });
  half.dispose();
  full.dispose();
});

test("shipped model, f16 for f32: a pair inverted and injected is the same within one level of 255", {
  timeout: 300_000,
}, async () => {
  const [content, original] = shippedExamples() as [string, string];
  const images: Float32Array[] = [];
  for (const dtype of ["f32", "f16"] as const) {
    const model = await load(shipped, dtype);
    const inverted = await model.invert([content, original], { steps: 4 });
    const result = await model.inject({
      content: inverted.select(0),
      original: inverted.select(1),
      gamma: 0.4,
      steps: 4,
      tBoost: 0,
    });
    images.push(await result.read());
    result[Symbol.dispose]();
    inverted.dispose();
    model.dispose();
  }
  const worst = images[0]!.reduce((most, v, i) => Math.max(most, Math.abs(v - images[1]![i]!)), 0) * 127.5;
  console.log(`f16 for f32: at most ${worst.toPrecision(3)} levels of 255`);
  expect(worst).toBeLessThanOrEqual(1);
});
