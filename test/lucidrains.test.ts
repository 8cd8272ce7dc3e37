import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { randomCheckpoint } from "../bench/random-checkpoint";
import { describe as describeInspection } from "../src/cli/inspect";
import { STEP, STEP_FLOATS } from "../src/kernels/step/step-row";
import { convertModel } from "../src/model/checkpoint/convert";
import { expectedTensors } from "../src/model/checkpoint/expected";
import { inspectCheckpoint } from "../src/model/checkpoint/inspect";
import { lucidrainsTable, standardise } from "../src/model/checkpoint/lucidrains";
import { openSource } from "../src/model/checkpoint/source-node";
import type { LucidrainsConfig } from "../src/model/config";
import { hShape } from "../src/model/config";
import { Network } from "../src/model/network";
import { alphaBars, type Schedule, samplingSteps } from "../src/model/schedule";
import { unet } from "../src/model/unet";
import { seeded } from "../src/random";
import { expectState, open, stateOf } from "./checkpoint-models";
import { type State, safetensors } from "./checkpoint-writers";
import { readTensors } from "./golden-runner/files";
import { testDevice } from "./support/device";
import { referenceGraph } from "./support/reference-network";
import { tiny } from "./support/tiny-lucidrains";

type Tensor = State extends ReadonlyMap<string, infer V> ? V : never;

const T = 20;
const alphas = Float32Array.from({ length: T }, (_, t) => 0.98 - (0.95 * t) / (T - 1));
const tensor = (values: Float32Array<ArrayBuffer>) => ({ shape: [values.length], values });

/** A GaussianDiffusion's state: the network below `model.`, its tables beside it. */
const process = (state: State, loss?: (a: number) => number, p2 = false): Map<string, Tensor> =>
  new Map([
    ["alphas_cumprod", tensor(alphas)],
    ...(loss ? [["loss_weight", tensor(alphas.map(loss))] as const] : []),
    ...(p2 ? [["p2_loss_weight", tensor(alphas.map(() => 1))] as const] : []),
    ...[...state].map(([name, value]) => [`model.${name}`, value] as const),
  ]);

const hints = { resolution: 16 };
const schedule: Schedule = {
  trainSteps: 1000,
  betas: { kind: "sigmoid_alphas" },
  zeroSnr: false,
  prediction: "v_prediction",
  spacing: "lucidrains",
  stepsOffset: 0,
  finalAlphaOne: true,
  clip: 1,
  rederive: true,
};

describe("configuration from names and shapes", () => {
  const variants: Record<string, LucidrainsConfig> = {
    "2.x": tiny,
    "1.9": { ...tiny, norm: "group" },
    "1.8, without learned keys": { ...tiny, norm: "group", memory: 0 },
    "six channels out": { ...tiny, outChannels: 6 },
    "three levels, no full attention, other heads": {
      ...tiny,
      channelMult: [1, 2, 3],
      attention: [0, 1, 2],
      fullAttention: [],
      heads: 3,
      headChannels: 7,
    },
  };
  test.each(Object.entries(variants))("%s", async (_, config) => {
    const state = stateOf(config);
    const model = await open(await safetensors(process(state, () => 1)), hints);
    expect(model.layout).toBe("L");
    expect(model.config).toEqual(config);
    await expectState(model, state);
    const { graph, h, eps } = unet(config, 1);
    expect(graph.outputs).toEqual([eps, h]);
    expect(hShape(config)).toEqual([
      24,
      16 / 2 ** (config.channelMult.length - 1),
      16 / 2 ** (config.channelMult.length - 1),
    ]);
  });
  test("heads without learned keys are 4 of 32, or given", async () => {
    const config: LucidrainsConfig = { ...tiny, memory: 0, heads: 2, headChannels: 8 };
    const bytes = await safetensors(process(stateOf(config), () => 1));
    await expect(open(bytes, hints)).rejects.toThrow("attention over 16 channels is not 4 heads of 32");
    expect((await open(bytes, { ...hints, heads: 2 })).config).toMatchObject({ heads: 2, headChannels: 8 });
    expect((await open(bytes, { ...hints, headChannels: 8 })).config).toMatchObject({ heads: 2, headChannels: 8 });
    await expect(open(bytes, { ...hints, heads: 3 })).rejects.toThrow("give the heads");
  });
  test("heads that contradict learned keys name both", async () => {
    const bytes = await safetensors(process(stateOf(tiny), () => 1));
    await expect(open(bytes, { ...hints, heads: 8 })).rejects.toThrow(
      "its attention has 4 heads of 32 channels, got 8 of 16; leave out the heads",
    );
  });
  test("the size of pictures must be given", async () => {
    await expect(open(await safetensors(process(stateOf(tiny), () => 1)))).rejects.toThrow(
      "the size of its pictures is said nowhere; give it (resolution, --resolution)",
    );
  });
});

describe("versions before 1.8", () => {
  const config: LucidrainsConfig = { ...tiny, norm: "group", memory: 0, attentionNorm: "layer", dividedValues: true };
  const old = (state: State): State =>
    new Map(
      [...state].map(([name, value]) => [
        name.replace(/^(downs\.\d\.2|ups\.\d\.2|mid_attn)\.(norm|to_)/, (_, at, leaf) =>
          leaf === "norm" ? `${at}.fn.norm` : `${at}.fn.fn.to_`,
        ),
        value,
      ]),
    );
  test("their names, norms and standardised weights are read", async () => {
    const state = stateOf(config);
    const model = await open(await safetensors(process(old(state), () => 1)), hints);
    expect(model.layout).toBe("L-old");
    expect(model.config).toEqual(config);
    expect(model.from.attentionNorm).toBe("the names of its tensors");
    const name = "downs.0.0.block1.proj.weight";
    expect(await model.read(name)).toEqual(standardise(state.get(name)!.values as Float32Array<ArrayBuffer>, 16));
    const other = "downs.0.3.1.weight";
    expect(await model.read(other)).toEqual(state.get(other)!.values);
  });
  test("standardised weights have mean 0 and variance 1 in each row", () => {
    const rows = standardise(Float32Array.of(1, 2, 3, 4, 50, 50, 50, 54), 2);
    for (const row of [rows.subarray(0, 4), rows.subarray(4)]) {
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 5);
      expect(row.reduce((a, b) => a + b * b, 0) / 4).toBeCloseTo(1, 4);
    }
  });
  test("converted, their arithmetic is in the metadata", async () => {
    const model = await open(await safetensors(process(old(stateOf(config)), (a) => a)), hints);
    const again = await converted(model);
    expect(again.layout).toBe("L");
    expect(again.config).toEqual(config);
    expect(again.schedule).toEqual(model.schedule);
    for (const name of model.tensors.keys()) expect(await again.read(name)).toEqual(await model.read(name));
  });
});

async function converted(model: Awaited<ReturnType<typeof open>>) {
  const parts: Uint8Array[] = [];
  for await (const piece of (await convertModel(model, { dtype: "f32" })).pieces) parts.push(piece);
  return open(new Uint8Array(Buffer.concat(parts)));
}

describe("the diffusion process", () => {
  test.each([
    ["pred_noise", () => 1, "epsilon"],
    ["pred_noise, min-SNR", (a: number) => Math.min(a / (1 - a), 5) / (a / (1 - a)), "epsilon"],
    ["pred_x0", (a: number) => a / (1 - a), "sample"],
    ["pred_x0, min-SNR", (a: number) => Math.min(a / (1 - a), 5), "sample"],
    ["pred_v", (a: number) => a, "v_prediction"],
    ["pred_v, min-SNR", (a: number) => Math.min(a / (1 - a), 5) * (1 - a), "v_prediction"],
  ])("%s is told by the loss weights", async (_, loss, prediction) => {
    const model = await open(await safetensors(process(stateOf(tiny), loss)), hints);
    expect(model.schedule).toMatchObject({ prediction, trainSteps: T, spacing: "lucidrains", clip: 1, rederive: true });
    expect(alphaBars("f64", model.schedule)).toEqual(Float64Array.from(alphas));
    expect(model.from.schedule).toBe("the file's diffusion process");
  });
  test("old files tell no objective: pred_noise is assumed and said", async () => {
    const model = await open(await safetensors(process(stateOf(tiny), undefined, true)), hints);
    expect(model.schedule).toMatchObject({ prediction: "epsilon", rederive: false });
    expect(model.from.schedule).toMatch(/pred_noise assumed/);
  });
  test("weights of no objective are refused, unless the schedule is given", async () => {
    const bytes = await safetensors(process(stateOf(tiny), (a) => 2 * a));
    await expect(open(bytes, hints)).rejects.toThrow("its loss_weight is that of no objective");
    expect((await open(bytes, { ...hints, schedule })).schedule).toEqual(schedule);
  });
  test("a bare U-Net needs a schedule", async () => {
    const bytes = await safetensors(stateOf(tiny));
    await expect(open(bytes, hints)).rejects.toThrow("holds a bare U-Net");
    expect((await open(bytes, { ...hints, schedule })).schedule).toEqual(schedule);
  });
  test("alphas that do not fall are refused", async () => {
    const state = process(stateOf(tiny), () => 1);
    const values = alphas.slice();
    values[7] = 1;
    state.set("alphas_cumprod", tensor(values));
    await expect(open(await safetensors(state), hints)).rejects.toThrow("alphas_cumprod 1 at 7; expected them to fall");
  });
  test("its formulas are those of upstream's tables", async () => {
    const folder = new URL("./golden/more/", import.meta.url).pathname;
    const sigmoid = (await readTensors(`${folder}luc_v2.safetensors`)).get("alphas_cumprod_f64")!.data;
    for (const [t, a] of alphaBars("f64", schedule).entries()) expect(a).toBeCloseTo(sigmoid[t]!, 6);
    const cosine = (await readTensors(`${folder}luc_v1_0.safetensors`)).get("alphas_cumprod_f64")!.data;
    const squared: Schedule = { ...schedule, betas: { kind: "squaredcos_cap_v2" } };
    for (const [t, a] of alphaBars("f64", squared).entries()) expect(a).toBeCloseTo(cosine[t]!, 6);
  });
  test("time steps are cut off towards 0", () => {
    expect(samplingSteps(3, { ...schedule, trainSteps: 10 })).toEqual([
      { t: 9, next: 5 },
      { t: 5, next: 2 },
      { t: 2, next: -1 },
    ]);
  });
});

describe("the network computes what the formulas say", () => {
  const small: LucidrainsConfig = { ...tiny, height: 12, width: 20, heads: 2, headChannels: 6 };
  const variants: Record<string, LucidrainsConfig> = {
    "2.x": small,
    "1.8": { ...small, norm: "group", memory: 0 },
    "before 1.8": {
      ...small,
      norm: "group",
      memory: 0,
      attentionNorm: "layer",
      dividedValues: true,
      fullAttention: [],
    },
  };
  test.each(Object.entries(variants))("%s", async (name, config) => {
    const checkpoint = randomCheckpoint(name, config);
    const network = await Network.load(checkpoint, await testDevice(), { precision: "exact" });
    const x = seeded(5, [2, 3, 12, 20]);
    const times = [3, 700];
    const { eps, h } = await network.forward(x, times);
    const weights = new Map<string, Float32Array>();
    for (const key of checkpoint.tensors.keys()) weights.set(key, await checkpoint.read(key));
    const steps = new Float32Array(2 * STEP_FLOATS);
    for (const [n, t] of times.entries()) steps[n * STEP_FLOATS + STEP.T] = t;
    const net = network.unet(2);
    const expected = referenceGraph(net.graph, (key) => weights.get(key)!, { x, steps });
    for (const [found, output] of [
      [eps, net.eps],
      [h, net.h],
    ] as const) {
      const { data } = expected.get(output)!;
      const rms = Math.sqrt(Array.from(data).reduce((sum, v) => sum + v * v, 0) / data.length);
      const worst = found.reduce((most, v, i) => Math.max(most, Math.abs(v - data[i]!)), 0);
      expect(worst / rms).toBeLessThan(3e-5);
    }
    network.destroy();
  });
});

describe("refused by name", () => {
  const changed = (changes: Record<string, readonly number[] | null>): State => {
    const state = process(stateOf(tiny), () => 1);
    for (const [name, shape] of Object.entries(changes)) {
      if (shape === null) state.delete(`model.${name}`);
      else state.set(`model.${name}`, { shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
    }
    return state;
  };
  test.each([
    ["self-conditioning", { "init_conv.weight": [16, 6, 7, 7] }, "with self-conditioning"],
    ["Fourier features", { "time_mlp.0.weights": [8] }, "with learned or random Fourier features"],
    ["guidance", { "classes_emb.weight": [10, 8], null_classes_emb: [8] }, "with classifier-free guidance"],
    ["one dimension", { "init_conv.weight": [16, 3, 7] }, "over one dimension (Unet1D)"],
    ["video", { "init_conv.weight": [16, 3, 1, 7, 7] }, "over video or volumes"],
    ["0.27", { "downs.0.3.weight": [8, 16, 4, 4], "downs.0.3.1.weight": null }, "0.27 to 0.31"],
  ])("%s", async (_, changes, message) => {
    await expect(open(await safetensors(changed(changes as Record<string, readonly number[]>)), hints)).rejects.toThrow(
      message,
    );
  });
  test("a missing tensor", async () => {
    await expect(open(await safetensors(changed({ "ups.1.2.norm.g": null })), hints)).rejects.toThrow(
      `1 of ${expectedTensors(tiny).size} tensors are missing (ups.1.2.norm.g)`,
    );
  });
});

describe("a Trainer's file", () => {
  const file = new URL("./golden/more/checkpoints/luc_v1_0/model-1.pt", import.meta.url).pathname;
  test("gives the moving average, or the raw weights", async () => {
    const bytes = await readFile(file);
    const [ema, raw] = await Promise.all([open(bytes, hints), open(bytes, { ...hints, ema: false })]);
    expect(ema.wrapper).toBe("ema ema_model.model.");
    expect(raw.wrapper).toBe("model model.");
    expect(ema.metadata.version).toBe("1.0.4");
    const name = "mid_attn.to_qkv.weight";
    expect(await ema.read(name)).not.toEqual(await raw.read(name));
  });
  test("is described by inspect", async () => {
    const report = await inspectCheckpoint(await openSource(file), hints);
    expect(report.problems).toEqual([]);
    const text = describeInspection(report);
    expect(text).toMatch(/^layout {5}L-old$/m);
    expect(text).toMatch(/^network {4}lucidrains, 8 16 16 channels, 2 res blocks a level$/m);
    expect(text).toMatch(/^schedule {3}alphas_cumprod, 1000 steps; sampling: lucidrains steps, x0 clamped to 1$/m);
    expect(text).toMatch(/^predicts {3}epsilon$/m);
    expect(text).toMatch(/the names of its tensors: attentionNorm layer, dividedValues true/);
  });
  test("of 1.7.2 is refused", async () => {
    const bytes = Buffer.from(await readFile(file));
    // The pickle keeps the version as text of its length; the reader compares its CRC, which 0 leaves out.
    const at = bytes.indexOf("1.0.4");
    bytes.write("1.7.2", at);
    await expect(open(withoutChecksum(bytes), hints)).rejects.toThrow("denoising-diffusion-pytorch 1.7.2");
  });
});

/** A zip whose records state no CRC-32 of data.pkl. */
function withoutChecksum(bytes: Buffer): Buffer {
  for (let at = bytes.indexOf("PK\x01\x02"); at >= 0; at = bytes.indexOf("PK\x01\x02", at + 4)) {
    const name = bytes.toString("latin1", at + 46, at + 46 + bytes.readUInt16LE(at + 28));
    if (name.endsWith("data.pkl")) bytes.writeUInt32LE(0, at + 16);
  }
  return bytes;
}

test("docs/checkpoints.md lists the versions", async () => {
  const text = await readFile(new URL("../docs/checkpoints.md", import.meta.url), "utf8");
  expect(text).toContain(lucidrainsTable());
});
