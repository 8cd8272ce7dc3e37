import { describe, expect, test } from "vitest";
import type { TensorInfo } from "../src/model/checkpoint/container";
import { expectedTensors } from "../src/model/checkpoint/expected";
import { checkConfig, configOf, guessResolution } from "../src/model/checkpoint/infer";
import { detectLayout } from "../src/model/checkpoint/layout";
import { fromDiffusers } from "../src/model/checkpoint/names";
import { metadataConfig, metadataSettings } from "../src/model/checkpoint/own-metadata";
import { defaults, type Settings } from "../src/model/checkpoint/settings";
import type { UNetConfig } from "../src/model/config";
import { ADM_256, ADM_P2, DDPM_256, DDPM_TINY, expectState, open, stateOf } from "./checkpoint-models";
import { type State, safetensors, stateFile, torchZip } from "./checkpoint-writers";
import { toDiffusers } from "./support/to-diffusers";

const infos = (config: UNetConfig): ReadonlyMap<string, TensorInfo> =>
  new Map([...expectedTensors(config)].map(([name, shape]) => [name, { dtype: "F32", shape }]));

const parameters = (config: UNetConfig) =>
  [...expectedTensors(config).values()].reduce((n, shape) => n + shape.reduce((a, b) => a * b, 1), 0);

/** The configuration of these tensors with these settings, and the family's defaults. */
function inferConfig(tensors: ReadonlyMap<string, TensorInfo>, settings: Settings = {}): UNetConfig {
  const family = tensors.has("conv_in.weight") ? defaults.ddpm : defaults.adm;
  const size = { from: "size", settings: { height: 256, width: 256 } };
  const { config } = configOf(tensors, [{ from: "given", settings }, family, size]);
  checkConfig(config);
  return config;
}

describe("expected tensors", () => {
  test.each([
    ["CelebA-HQ", DDPM_256, 113_673_219, 450],
    ["P2", ADM_P2, 93_563_910, 362],
    ["ADM-256", ADM_256, 552_814_086, 566],
  ] as const)("%s has the published counts", (_, config, count, tensors) => {
    expect(parameters(config)).toBe(count);
    expect(expectedTensors(config).size).toBe(tensors);
  });
});

/** The settings of a configuration, without those that are in the shapes. */
const settingsOf = (config: UNetConfig): Settings => {
  const { height, width, groups, eps, headChannels } = config;
  return { height, width, groups, eps, headChannels };
};

describe("configuration from shapes", () => {
  const variants: Record<string, UNetConfig> = {
    "CelebA-HQ": DDPM_256,
    P2: ADM_P2,
    "ADM-256": ADM_256,
    "one level": { ...DDPM_TINY, channelMult: [1], attention: [0], upAttention: [0] },
    "no resampling convolution, ddpm": { ...DDPM_256, convResample: false },
    "resampling by convolutions, adm": { ...ADM_P2, resblockUpdown: false, scaleShift: false },
    "resampling without weights, adm": { ...ADM_P2, resblockUpdown: false, convResample: false },
    "class-conditional": { ...ADM_256, classes: 1000 },
    "three channels out": { ...ADM_P2, outChannels: 3 },
    "width 0.5": { ...ADM_P2, channelMult: [0.5, 1, 1, 2, 2, 4, 4], height: 512, width: 512, attention: [5] },
    "no attention on the way": { ...ADM_P2, attention: [] },
  };
  for (const [name, config] of Object.entries(variants))
    test(name, () => {
      const found = inferConfig(infos(config), settingsOf(config));
      expect(found).toEqual(config);
      expect([...expectedTensors(found)]).toEqual([...expectedTensors(config)]);
    });
  test("the paper's resolutions are guessed from the attention levels", () => {
    expect([DDPM_256, ADM_P2, ADM_256].map((c) => guessResolution(c.attention))).toEqual([256, 256, 256]);
  });
  test("a head width that does not divide is an error with the remedy", () => {
    const narrow = { ...ADM_P2, channels: 32 };
    expect(() => inferConfig(infos({ ...narrow, channelMult: [1, 1] }), {})).toThrow(
      /32 channels.*heads of 64.*--head-channels/,
    );
    expect(inferConfig(infos(narrow), { headChannels: 16 }).headChannels).toBe(16);
    expect(inferConfig(infos(narrow), { heads: 4 })).toMatchObject({ headChannels: 0, heads: 4 });
  });
  test("shapes that are no U-Net", () => {
    const less = new Map(infos(ADM_P2));
    less.delete("input_blocks.11.0.in_layers.2.weight");
    for (const name of [...less.keys()]) if (name.startsWith("input_blocks.11.")) less.delete(name);
    expect(() => inferConfig(less)).toThrow(/11 input blocks for 6 levels/);
    expect(() => inferConfig(new Map())).toThrow(/missing/);
  });
});

describe("names of layouts A and B", () => {
  const names = [...expectedTensors(DDPM_256).keys()];
  for (const spelling of ["old", "new"] as const)
    test(`the table knows all 450 names, ${spelling} spelling`, () => {
      const theirs = names.map((name) => toDiffusers(name, 6, spelling));
      expect(new Set(theirs).size).toBe(450);
      expect(theirs.map((name) => fromDiffusers(name, 6))).toEqual(names);
    });
  test("the up path is counted from the other end, the middle has no index 2", () => {
    expect(toDiffusers("up.5.block.0.nin_shortcut.weight", 6, "new")).toBe(
      "up_blocks.0.resnets.0.conv_shortcut.weight",
    );
    expect(toDiffusers("mid.block_2.temb_proj.bias", 6, "new")).toBe("mid_block.resnets.1.time_emb_proj.bias");
    expect(toDiffusers("up.4.attn.2.proj_out.weight", 6, "old")).toBe("up_blocks.1.attentions.2.proj_attn.weight");
  });
  test("old names of the resampling convolutions", () => {
    expect(fromDiffusers("down.0.downsample.op.weight", 6)).toBe("down.0.downsample.conv.weight");
    expect(fromDiffusers("down_blocks.0.downsamplers.0.op.weight", 6)).toBe("down.0.downsample.conv.weight");
  });
  test.each(["up_blocks.6.resnets.0.norm1.weight", "down_blocks.00.resnets.0.norm1.weight", "fc.weight", "conv_in"])(
    "%s is not in the table",
    (name) => expect(fromDiffusers(name, 6)).toBeUndefined(),
  );
});

/** The state under diffusers' names, its attention weights squeezed to [C, C]. */
function diffusers(state: State, levels: number, spelling: (i: number) => "old" | "new"): State {
  let i = 0;
  return new Map(
    [...state].map(([name, { shape, values }]) => {
      const attention = /attn.*\.(q|k|v|proj_out)\.weight$/.test(name);
      return [toDiffusers(name, levels, spelling(i++)), { shape: attention ? shape.slice(0, 2) : shape, values }];
    }),
  );
}

describe("layouts in files", () => {
  const state = stateOf(DDPM_TINY);
  test.each([
    ["B-old", ["old", "old"]],
    ["B-new", ["new", "new"]],
    ["B-mixed", ["old", "new"]],
  ] as const)("%s and A give bit-equal tensors", async (layout, spelling) => {
    const theirs = diffusers(state, 2, (i) => spelling[i % 2]!);
    for (const bytes of [await safetensors(theirs), torchZip(stateFile(theirs))]) {
      const model = await open(bytes, { resolution: 16, family: "ddpm" });
      expect(model.layout).toBe(layout);
      expect(model.config).toEqual(DDPM_TINY);
      expect([...model.tensors].map(([name, { shape }]) => [name, shape])).toEqual([...expectedTensors(DDPM_TINY)]);
      await expectState(model, state);
    }
  });
  test("a tensor under two names is refused", async () => {
    const both = diffusers(state, 2, () => "new");
    const twice = new Map(both).set("mid_block.attentions.0.query.bias", both.get("mid_block.attentions.0.to_q.bias")!);
    await expect(open(await safetensors(twice))).rejects.toThrow(/to_q\.bias and .*query\.bias are the same tensor/);
  });
  test("detection", () => {
    expect(detectLayout(infos(DDPM_256), "f")).toBe("A");
    expect(detectLayout(infos(ADM_P2), "f")).toBe("C");
    for (const [key, what] of [
      ["first_stage_model.x", /latent diffusion/],
      ["map_noise.freqs", /EDM/],
      ["lora_up.weight", /LoRA/],
    ] as const)
      expect(() => detectLayout(new Map([[key, 0]]), "f")).toThrow(what);
  });
});

describe("what our own metadata say", () => {
  test("they fill in what weights do not tell", async () => {
    const own = { ...ADM_P2, height: 512, width: 384, headChannels: 32, qkvOrder: "new" };
    expect(metadataSettings(metadataConfig({ config: JSON.stringify(own) }, "f"))).toEqual({
      height: 512,
      width: 384,
      eps: 1e-5,
      groups: 32,
      headChannels: 32,
      qkvOrder: "new",
    });
    const bytes = await safetensors(stateOf(DDPM_TINY), "F32", { config: JSON.stringify(DDPM_TINY) });
    expect((await open(bytes)).config).toEqual(DDPM_TINY);
    expect((await open(bytes, { resolution: { width: 32, height: 16 } })).config).toMatchObject({
      width: 32,
      height: 16,
    });
  });
  test("files of before height and width have a resolution", () => {
    expect(metadataSettings({ resolution: 64 })).toEqual({ height: 64, width: 64 });
  });
  test("metadata of another network, or that are no JSON, are errors", async () => {
    const other = { config: JSON.stringify({ ...DDPM_TINY, outChannels: 6 }) };
    await expect(open(await safetensors(stateOf(DDPM_TINY), "F32", other))).rejects.toThrow(
      "its metadata give outChannels 6, the weights have 3",
    );
    expect(() => metadataConfig({ config: "{" }, "f")).toThrow(/not a JSON object/);
  });
});
