import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { randomCheckpoint } from "../bench/random-checkpoint";
import { openDevice } from "../src/gpu/open-node";
import { lower } from "../src/graph/lower";
import { direct } from "../src/kernels/conv/direct";
import { candidates } from "../src/kernels/conv/tuner-variants";
import { type ConvShape, type ConvUse, convKey } from "../src/kernels/conv/variant";
import { choose } from "../src/kernels/conv/variants";
import type { Target } from "../src/kernels/target";
import type { Folder } from "../src/model/checkpoint/opfs";
import type { DdpmConfig } from "../src/model/config";
import { Network, targetOf } from "../src/model/network";
import { networkOps } from "../src/model/ops";
import { modelPresets } from "../src/model/presets";
import { unet } from "../src/model/unet";
import { opfsStore } from "../src/platform/tune-store-browser";
import { fileStore } from "../src/platform/tune-store-node";
import { seeded } from "../src/random";
import { memoryStore, type TuneStore } from "../src/tune/store";
import { tuneQuick } from "../src/tune/tune";
import { shaders } from "../src/wgsl/shaders";
import { expectClose } from "./support/close";
import { testDevice } from "./support/device";
import { software } from "./support/targets";

/** Candidates are many pipelines, and the software adapter compiles each for a second or more, in ms. */
const COMPILING = 240_000;

const shapeOf = (shape: Partial<ConvShape>): ConvShape => ({
  kernel: 3,
  n: 1,
  c1: 16,
  c2: 0,
  oc: 16,
  h: 8,
  w: 8,
  stride: 1,
  upsample: false,
  ...shape,
});
const use3x3 = (shape: Partial<ConvShape> = {}, more: Partial<ConvUse> = {}): ConvUse => ({
  shape: shapeOf(shape),
  weights: "f32",
  pad: "same",
  norm: true,
  silu: true,
  ...more,
});
const use1x1: ConvUse = use3x3({ kernel: 1, c2: 8, oc: 12 }, { norm: false, silu: false });

test("candidates: the heuristic's choice first, 3 to 6 distinct ones, of the target's precision and weights", () => {
  for (const adapterClass of ["software", "gpu"] as const)
    for (const precision of ["fast", "exact"] as const)
      for (const weights of ["f32", "f16"] as const)
        for (const use of [use3x3({ c1: 128, oc: 128 }), use3x3({ c1: 256, oc: 256, h: 16, w: 16 }), use1x1]) {
          const target = { ...software, adapterClass, precision, weights };
          const found = candidates(use.shape, target);
          expect(found[0]).toBe(choose(use.shape, target));
          expect(found.length).toBeLessThanOrEqual(6);
          expect(found.length).toBeGreaterThanOrEqual(weights === "f32" ? 3 : 2);
          expect(new Set(found.map(({ name }) => name)).size).toBe(found.length);
          for (const variant of found) {
            expect(variant.runs(use.shape, target)).toBe(true);
            if (precision === "exact") expect(variant.name).not.toMatch(/^F\(4/);
          }
        }
});

test("a graph names each kind of its convolutions once, and lowers to the tuned variants", () => {
  const { graph } = unet(modelPresets.celebahq.config, 1);
  const { convs } = lower(graph, software, networkOps);
  const use = convs.find(({ shape }) => shape.kernel === 3 && shape.c1 === 512 && shape.h === 8 && shape.c2 === 0)!;
  const tunedTo = { "3x3 1x[512+0]->512 8x8 f32": direct({ subgroups: true }) };
  expect(use.norm && use.silu).toBe(true);
  const tuned = lower(graph, { ...software, tuned: tunedTo }, networkOps);
  const shaderOf = (lowered: typeof tuned, name: string) =>
    lowered.nodes.find((node) => node.name === name)!.dispatches.at(-1)!.shader;
  expect(shaderOf(tuned, "mid.block_1.conv1")).toBe("conv/direct_quad");
  expect(shaderOf(tuned, "up.0.block.0.conv1")).toBe(
    shaderOf(lower(graph, software, networkOps), "up.0.block.0.conv1"),
  );
});

test("every candidate is checked and timed; a second run remembers", { timeout: COMPILING }, async () => {
  const device = await testDevice();
  const target = targetOf(device);
  const store = memoryStore();
  const uses = [use3x3({ upsample: true }), use3x3({ stride: 2 }, { pad: "asymmetric", norm: false }), use1x1];
  const first = await tuneQuick(device, uses, target, { store });
  for (const [i, { variant, trials, remembered }] of first.results.entries()) {
    expect(remembered).toBe(false);
    expect(trials.map((trial) => trial.variant)).toEqual(candidates(uses[i]!.shape, target));
    expect(trials.filter(({ refused }) => refused)).toEqual([]);
    for (const { ms, worstError } of trials) {
      expect(ms).toBeGreaterThan(0);
      expect(worstError).toBeLessThan(2e-4);
    }
    expect(candidates(uses[i]!.shape, target)).toContain(variant);
  }
  const second = await tuneQuick(device, uses, target, { store });
  expect(second.tuned).toEqual(first.tuned);
  expect(second.results.map(({ remembered, trials }) => [remembered, trials.length])).toEqual(
    uses.map(() => [true, 0]),
  );
});

test("a kernel that is wrong is not timed, and never chosen", async () => {
  const device = await openDevice();
  const right = shaders["conv/tile"];
  try {
    const wrong = right.replace("finish(four[r],", "finish(1.001 * four[r],");
    expect(wrong).not.toBe(right);
    Object.assign(shaders, { "conv/tile": wrong });
    // As on a GPU, where the tile would be the heuristic's choice.
    const target: Target = { ...targetOf(device), adapterClass: "gpu" };
    const { results } = await tuneQuick(device, [use3x3()], target, { store: memoryStore() });
    const [{ trials, variant }] = results as [(typeof results)[0]];
    const tile = trials.find((trial) => trial.variant.name === "tile")!;
    expect(tile.refused).toMatch(/^off by [\d.e-]+, allowed 0.00002$/);
    expect(tile.ms).toBeUndefined();
    expect(variant.name).not.toBe("tile");
  } finally {
    Object.assign(shaders, { "conv/tile": right });
    device.destroy();
  }
});

test("what a file remembers is believed only where it is a candidate", async () => {
  const folder = mkdtempSync(join(tmpdir(), "injectfusion-tune-"));
  try {
    const device = await testDevice();
    const target = targetOf(device);
    const store = fileStore(folder);
    const run = async () => (await tuneQuick(device, [use1x1], target, { store })).results[0]!;
    expect((await run()).remembered).toBe(false);
    expect((await run()).remembered).toBe(true);
    const [file] = readdirSync(folder) as [string];
    expect(file).toMatch(/^tune-[0-9a-f]{24}\.json$/);
    const key = (await run()).key;
    for (const text of [
      "",
      "{",
      "null",
      "7",
      JSON.stringify({ [key]: "fastest" }),
      JSON.stringify({ [key]: { kind: "tile" } }),
    ]) {
      writeFileSync(join(folder, file), text);
      expect((await run()).remembered, text).toBe(false);
    }
    expect(await fileStore(join(folder, "missing")).read(file)).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a browser's private file system remembers, and neither its lack nor a full one is an error", async () => {
  const files = new Map<string, string>();
  let full = false;
  const folder = {
    async getFileHandle(name: string, options?: { create?: boolean }) {
      if (!files.has(name) && !options?.create) throw new DOMException("none", "NotFoundError");
      return {
        getFile: async () => new Blob([files.get(name)!]),
        createWritable: async () => ({
          async write(text: string) {
            if (full) throw new DOMException("full", "QuotaExceededError");
            files.set(name, text);
          },
          close: async () => {},
        }),
      };
    },
  };
  const store = opfsStore(async () => folder as unknown as Folder);
  expect(await store.read("a")).toBeUndefined();
  await store.write("a", "text");
  expect(await store.read("a")).toBe("text");
  full = true;
  await store.write("a", "more");
  expect(await store.read("a")).toBe("text");
  const none = opfsStore(async () => undefined);
  await none.write("a", "text");
  expect(await none.read("a")).toBeUndefined();
});

test("a network of other variants than the heuristic's computes the same", { timeout: COMPILING }, async () => {
  const config: DdpmConfig = {
    ...modelPresets.celebahq.config,
    height: 8,
    width: 8,
    channels: 32,
    channelMult: [1],
    resBlocks: 1,
    attention: [],
    upAttention: [],
  };
  const device = await testDevice();
  const checkpoint = randomCheckpoint("small", config);
  const { convs } = lower(unet(config, 1).graph, targetOf(device), networkOps);
  const last = Object.fromEntries(
    convs.map(({ shape, weights }) => [convKey(shape, weights), candidates(shape, targetOf(device)).at(-1)!.name]),
  );
  const text = JSON.stringify(last);
  const tuneStore: TuneStore = { read: async () => text, write: () => Promise.reject(new Error("nothing to keep")) };
  const seen: number[] = [];
  const plain = await Network.load(checkpoint, device, { precision: "exact" });
  const tuned = await Network.load(checkpoint, device, {
    tune: "quick",
    tuneStore,
    onTuned: (done) => seen.push(done),
  });
  try {
    expect(plain.tuning).toEqual([]);
    expect(seen).toEqual(convs.map((_, i) => i + 1));
    for (const { remembered, variant, key } of tuned.tuning) {
      expect(remembered, key).toBe(true);
      expect(variant.name).toBe(last[key]);
    }
    const x = seeded(1, [1, 3, 8, 8]);
    const expected = await plain.forward(x, 500);
    const found = await tuned.forward(x, 500);
    expectClose(found.eps, expected.eps, [1, 3, 8, 8], { rtol: 0, atol: 1e-4 });
  } finally {
    plain.destroy();
    tuned.destroy();
  }
});
