import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { convertModel } from "../src/model/checkpoint/convert";
import { readDiffusersConfig, rules } from "../src/model/checkpoint/diffusers-config";
import { expectedTensors } from "../src/model/checkpoint/expected";
import { inspectCheckpoint } from "../src/model/checkpoint/inspect";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { readSchedule, schedulerRules } from "../src/model/checkpoint/scheduler-config";
import { memorySource } from "../src/model/checkpoint/source";
import { openSource } from "../src/model/checkpoint/source-node";
import type { DdpmConfig } from "../src/model/config";
import { alphaBars, DDPM_SCHEDULE, onScale, samplingSteps, topTime } from "../src/model/schedule";
import { DDPM_TINY, stateOf } from "./checkpoint-models";
import { type State, safetensors } from "./checkpoint-writers";
import { toDiffusers } from "./support/to-diffusers";

/** A network as train_unconditional.py makes them, with what DDPM's code has not. */
const network: DdpmConfig = {
  ...DDPM_TINY,
  height: 24,
  width: 16,
  inChannels: 1,
  outChannels: 1,
  channels: 16,
  channelMult: [1, 1.5],
  groups: 8,
  eps: 1e-5,
  headChannels: 8,
  midGroups: 8,
  pad: "same",
  embedding: { order: "cos-sin", shift: 0 },
  embeddingChannels: 64,
  classes: 5,
};

const config = {
  _class_name: "UNet2DModel",
  _diffusers_version: "0.30.3",
  sample_size: [24, 16],
  in_channels: 1,
  out_channels: 1,
  block_out_channels: [16, 24],
  layers_per_block: 1,
  down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
  norm_num_groups: 8,
  num_class_embeds: 5,
};
const scheduler = {
  _class_name: "DDPMScheduler",
  num_train_timesteps: 500,
  beta_schedule: "scaled_linear",
  prediction_type: "v_prediction",
  clip_sample: true,
};
const index = {
  _class_name: "DDPMPipeline",
  unet: ["diffusers", "UNet2DModel"],
  scheduler: ["diffusers", "DDPMScheduler"],
};

const theirs = (): State =>
  new Map(
    [...stateOf(network)].map(([name, { shape, values }]) => {
      const linear = /attn.*\.(q|k|v|proj_out)\.weight$/.test(name);
      return [toDiffusers(name, 2, "new"), { shape: linear ? shape.slice(0, 2) : shape, values }];
    }),
  );

let root: string;
let pipeline: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "injectfusion-"));
  pipeline = join(root, "pipeline");
  await mkdir(join(pipeline, "unet"), { recursive: true });
  await mkdir(join(pipeline, "scheduler"));
  await writeFile(join(pipeline, "unet/diffusion_pytorch_model.safetensors"), await safetensors(theirs()));
  await writeFile(join(pipeline, "unet/config.json"), JSON.stringify(config));
  await writeFile(join(pipeline, "scheduler/scheduler_config.json"), JSON.stringify(scheduler));
  await writeFile(join(pipeline, "model_index.json"), JSON.stringify(index));
});
afterAll(() => rm(root, { recursive: true }));

const open = async (path: string, options = {}) => {
  const model = await openModelCheckpoint(await openSource(path, options), options);
  model.close();
  return model;
};

/** A copy of the pipeline, with one file changed or (undefined) removed. */
let copies = 0;
async function copyWith(file: string, content: unknown): Promise<string> {
  const to = join(root, `copy-${copies++}`);
  await cp(pipeline, to, { recursive: true });
  if (content === undefined) await rm(join(to, file));
  else await writeFile(join(to, file), typeof content === "string" ? content : JSON.stringify(content));
  return to;
}

describe("a pipeline's folder", () => {
  test("gives the network, its settings and its schedule, each with where it was found", async () => {
    const model = await open(pipeline);
    expect(model.config).toEqual(network);
    expect([...model.tensors.keys()]).toEqual([...expectedTensors(network).keys()]);
    expect(model.schedule).toMatchObject({ trainSteps: 500, prediction: "v_prediction", clip: 1, spacing: "leading" });
    expect(model.from).toMatchObject({
      height: "config.json",
      groups: "config.json",
      pad: "diffusers' defaults",
      schedule: "scheduler/scheduler_config.json",
    });
  });
  test("what the caller says wins over config.json, and heads over a head width", async () => {
    const model = await open(pipeline, { heads: 4, resolution: 32, schedule: { num_train_timesteps: 100 } });
    expect(model.config).toMatchObject({ headChannels: 0, heads: 4, height: 32, width: 32 });
    expect(model.schedule).toMatchObject({ trainSteps: 100, prediction: "epsilon" });
    expect(model.from).toMatchObject({ heads: "given", height: "given", schedule: "given" });
  });
  test("a converted file needs no side files", async () => {
    const model = await openModelCheckpoint(await openSource(pipeline));
    const { pieces } = await convertModel(model, { dtype: "f32" });
    const chunks: Uint8Array[] = [];
    for await (const piece of pieces) chunks.push(piece);
    model.close();
    const again = await openModelCheckpoint(memorySource(Buffer.concat(chunks), "converted"));
    expect(again.config).toEqual(network);
    expect(again.schedule).toEqual(model.schedule);
    expect(new Set(Object.values(again.from))).toEqual(new Set(["the file's metadata"]));
  });
  test("inspect describes it", async () => {
    const report = await inspectCheckpoint(await openSource(pipeline));
    expect(report).toMatchObject({ layout: "B-new", problems: [], missing: [], schedule: { trainSteps: 500 } });
  });
  test.each([
    [
      "unet/config.json",
      undefined,
      /model_index\.json: is of a pipeline, but the config\.json of its U-Net is missing/,
    ],
    [
      "scheduler/scheduler_config.json",
      undefined,
      /names a scheduler, but scheduler\/scheduler_config\.json is missing/,
    ],
    ["unet/config.json", "{", /config\.json: is not JSON/],
    ["scheduler/scheduler_config.json", "[]", /is no JSON object/],
    ["unet/config.json", { ...config, out_channels: 3 }, /out_channels gives 3, the weights have 1/],
    ["unet/config.json", { ...config, norm_num_groups: 7 }, /7 groups do not divide/],
    ["unet/config.json", { ...config, attention_head_dim: 40 }, /does not divide into heads of 40/],
    ["unet/config.json", { ...config, _diffusers_version: "0.3.0" }, /used 32 groups in its blocks all the same/],
    [
      "model_index.json",
      { ...index, vqvae: ["diffusers", "VQModel"], _class_name: "LDMPipeline" },
      /LDMPipeline with vqvae works on latents/,
    ],
    ["model_index.json", { ...index, _class_name: "ScoreSdeVePipeline" }, /works on sigmas/],
    ["model_index.json", { ...index, unet: ["diffusers", "UNet2DConditionModel"] }, /expected UNet2DModel/],
  ] as const)("%s: %o is refused", async (file, content, why) => {
    await expect(open(await copyWith(file, content))).rejects.toThrow(why);
  });
  test("without a scheduler, DDPM's is assumed, and said so", async () => {
    const alone = await copyWith("model_index.json", undefined);
    await rm(join(alone, "scheduler"), { recursive: true });
    const model = await open(join(alone, "unet"));
    expect(model.schedule).toEqual(DDPM_SCHEDULE);
    expect(model.from.schedule).toMatch(/assumed/);
  });
});

describe("other folders", () => {
  test("shards without an index, a variant, and a moving average", async () => {
    const at = await copyWith("unet/diffusion_pytorch_model.safetensors", undefined);
    const all = [...theirs()];
    const write = async (name: string, from: number, to: number) =>
      writeFile(join(at, "unet", name), await safetensors(new Map(all.slice(from, to))));
    await write("diffusion_pytorch_model-00001-of-00002.safetensors", 0, 40);
    await expect(open(at)).rejects.toThrow(/its shard .*00002-of-00002\.safetensors is not beside it/);
    await write("diffusion_pytorch_model-00002-of-00002.safetensors", 40, 1000);
    expect((await open(at)).tensors.size).toBe(all.length);
    await write("diffusion_pytorch_model.fp16.safetensors", 0, 1000);
    expect((await open(at, { variant: "fp16" })).file).toBe("diffusion_pytorch_model.fp16.safetensors");
    await expect(open(at, { variant: "bf16" })).rejects.toThrow(/no variant "bf16"/);
    const run = join(root, "run");
    await cp(join(pipeline, "unet"), join(run, "unet"), { recursive: true });
    await cp(join(pipeline, "unet"), join(run, "unet_ema"), { recursive: true });
    await writeFile(join(run, "unet_ema/config.json"), JSON.stringify({ ...config, decay: 0.9999, norm_eps: 1e-4 }));
    expect((await open(run)).config.eps).toBe(1e-4);
    expect((await open(run, { ema: false })).config.eps).toBe(1e-5);
  });
});

describe("settings of UNet2DModel", () => {
  test.each([
    ["act_fn", "tanh"],
    ["time_embedding_type", "fourier"],
    ["mid_block_type", null],
    ["down_block_types", ["SkipDownBlock2D", "DownBlock2D"]],
    ["resnet_time_scale_shift", "spatial"],
    ["class_embed_type", "identity"],
    ["downsample_padding", 2],
    ["_class_name", "UNet2DConditionModel"],
    ["cross_attention_dim", 768],
  ])("%s %o is refused by name, with its value", (key, value) => {
    const message = (() => {
      try {
        readDiffusersConfig({ ...config, [key]: value }, "f");
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(message).toContain(`f: ${key} is ${JSON.stringify(value)}`);
  });
  test("docs/checkpoints.md lists every one of them, and of the scheduler", async () => {
    const text = await readFile(new URL("../docs/checkpoints.md", import.meta.url), "utf8");
    for (const { key, absent, supported } of rules)
      expect(text).toContain(`\n| \`${key}\` | ${JSON.stringify(absent)} | ${supported} |\n`);
    for (const { key, supported, use } of schedulerRules)
      expect(text).toContain(`\n| ${key.replace(/\w+/g, "`$&`")} | ${supported} | ${use} |\n`);
    expect(rules.length).toBeGreaterThan(25);
  });
});

describe("schedules", () => {
  test.each([
    [{ num_train_timesteps: 1 }, /1 training steps; expected a whole number from 2/],
    [{ beta_end: 1.5 }, /beta_end is 1.5; expected a number between 0 and 1/],
    [{ trained_betas: [0.1, 0, 0.2] }, /beta 0 at step 1/],
    [{ trained_betas: [0.1, 0.2], num_train_timesteps: 3 }, /2 trained_betas for 3 training steps/],
    [{ beta_schedule: "exp" }, /beta_schedule is "exp"; expected one of linear/],
    [{ prediction_type: "flow" }, /prediction_type is "flow"/],
    [{ thresholding: true }, /thresholding is true/],
    [{ rescale_betas_zero_snr: true }, /zero_snr with prediction_type epsilon/],
    [{ _class_name: "EulerDiscreteScheduler" }, /_class_name is "EulerDiscreteScheduler"/],
    [{ trainSteps: 3, betas: { kind: "alphas_cumprod", values: [0.9, 0.95, 0.1] } }, /alphas_cumprod 0.95 at 1/],
  ])("%o is refused", (json, why) => {
    expect(() => readSchedule(json, "f")).toThrow(why);
  });
  test("alphas fall to exactly 0 at zero SNR", () => {
    const schedule = readSchedule({ rescale_betas_zero_snr: true, prediction_type: "v_prediction" }, "f");
    const bars = alphaBars("f64", schedule);
    expect(bars.at(-1)).toBe(0);
    expect(bars.every((a, i) => i === 0 || a < bars[i - 1]!)).toBe(true);
  });
  test("parameters of a run mean the same share of the process, whatever T is", () => {
    for (const trainSteps of [300, 500, 1000, 4000]) {
      expect(onScale(400, { trainSteps }) / trainSteps).toBe(0.4);
      const schedule = { ...DDPM_SCHEDULE, prediction: "sample", trainSteps } as const;
      expect(topTime(999, schedule)).toBe(trainSteps - 1);
      expect(topTime(499, schedule)).toBe(trainSteps / 2 - 1);
    }
    expect(topTime(999, DDPM_SCHEDULE)).toBe(999);
  });
  test.each([
    [1000, 995],
    [300, 297],
  ])("an inversion in %i cosine steps ends where predicted noise still tells the picture", (trainSteps, last) => {
    const cosine = { ...DDPM_SCHEDULE, betas: { kind: "squaredcos_cap_v2" }, trainSteps } as const;
    expect(topTime(999, cosine)).toBe(last);
    expect(topTime(499, cosine)).toBe(trainSteps / 2 - 1);
    expect(topTime(999, { ...cosine, prediction: "v_prediction" })).toBe(trainSteps - 1);
  });
  test("an offset past the last time step is refused", () => {
    const schedule = { ...DDPM_SCHEDULE, spacing: "leading", stepsOffset: 1 } as const;
    expect(samplingSteps(50, schedule)[0]).toEqual({ t: 981, next: 961 });
    expect(() => samplingSteps(1000, schedule)).toThrow(/begin at 1000, past the last time step 999/);
  });
});
