import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { STEP, STEP_FLOATS } from "../src/kernels/step/step-row";
import { convertModel } from "../src/model/checkpoint/convert";
import { inspectCheckpoint } from "../src/model/checkpoint/inspect";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { openSource as openInBrowser } from "../src/model/checkpoint/source-browser";
import { openSource } from "../src/model/checkpoint/source-node";
import type { DdpmConfig } from "../src/model/config";
import { Network } from "../src/model/network";
import { modelPresets } from "../src/model/presets";
import { alphaBars, checkSchedule, DDPM_SCHEDULE } from "../src/model/schedule";
import { seeded } from "../src/random";
import { DDPM_TINY, expectState, open, stateOf } from "./checkpoint-models";
import { edited, type GraphFiles, kerasGraph, quantised } from "./keras-writer";
import { testDevice } from "./support/device";
import { referenceGraph } from "./support/reference-network";

const tiny: DdpmConfig = {
  ...DDPM_TINY,
  height: 16,
  width: 16,
  channels: 8,
  channelMult: [1, 2],
  resBlocks: 1,
  attention: [1],
  upAttention: [1],
  groups: 4,
  midGroups: 4,
  eps: 1e-3,
  embeddingChannels: 24,
  frequencies: 6,
  attentionResidual: "normalised",
};
const state = stateOf(tiny);
const files = kerasGraph(tiny, state);
const options = { schedule: DDPM_SCHEDULE };
const blobs = (all: GraphFiles) => new Map([...all].map(([name, bytes]) => [name, new Blob([bytes])]));
const fromFiles = async (all: GraphFiles, o: object = options) => openModelCheckpoint(await openSource(blobs(all)), o);

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

/** Writes files to a new folder. */
async function written(all: GraphFiles): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "injectfusion-"));
  folders.push(folder);
  for (const [name, bytes] of all) await writeFile(join(folder, name), bytes);
  return folder;
}

describe("a TF.js graph of Keras' example", () => {
  test("has DDPM's tensors, and the settings of its graph", async () => {
    const model = await fromFiles(files);
    expect(model.layout).toBe("K");
    expect(model.config).toEqual(tiny);
    expect(model.from).toMatchObject({ groups: "the graph", eps: "the graph", height: "the graph" });
    await expectState(model, state);
  });
  test.each([0, 1, 97])("whatever number Keras had counted to: %i", async (first) => {
    await expectState(await fromFiles(kerasGraph(tiny, state, { first })), state);
  });
  test("attention that adds its input as it is", async () => {
    const { attentionResidual: _, ...plain } = tiny;
    expect((await fromFiles(kerasGraph(tiny, state, { plainResidual: true }))).config).toEqual(plain);
  });
  test("three levels, two blocks, attention at two of them, shards of one tensor and more", async () => {
    const config: DdpmConfig = {
      ...tiny,
      channelMult: [1, 2, 3],
      resBlocks: 2,
      attention: [1, 2],
      upAttention: [1, 2],
    };
    const own = stateOf(config);
    const model = await fromFiles(kerasGraph(config, own, { shard: 100_000 }));
    expect(model.config).toEqual(config);
    await expectState(model, own);
  });
  test("quantised weights are q scale + min, rounded to f32", async () => {
    const model = await fromFiles(kerasGraph(tiny, state, { quantise: true }));
    expect(model.wrapper).toMatch(/^\d+ shards, \d+ tensors quantised$/);
    const name = "down.0.block.0.conv1.bias";
    const { min, scale, q } = quantised(state.get(name)!.values as Float32Array);
    expect(await model.read(name)).toEqual(Float32Array.from(q, (v) => v * scale + min));
    const weight = await model.read("conv_in.weight");
    const exact = state.get("conv_in.weight")!.values;
    weight.forEach((v, i) => void expect(Math.abs(v - exact[i]!)).toBeLessThan(2 / 255));
  });
  test("computes what the formulas say", async () => {
    const model = await fromFiles(files);
    const network = await Network.load(model, await testDevice(), { precision: "exact" });
    const x = seeded(5, [2, 3, 16, 16]);
    const t = [3, 271];
    const { eps, h } = await network.forward(x, t);
    const net = network.unet(2);
    const steps = new Float32Array(2 * STEP_FLOATS);
    t.forEach((time, n) => {
      steps[n * STEP_FLOATS + STEP.T] = time;
    });
    const expected = referenceGraph(net.graph, (key) => state.get(key)!.values, { x, steps });
    for (const [found, name] of [
      [eps, net.eps],
      [h, net.h],
    ] as const) {
      const { data } = expected.get(name)!;
      const rms = Math.sqrt(Array.from(data).reduce((sum, v) => sum + v * v, 0) / data.length);
      const worst = found.reduce((most, v, i) => Math.max(most, Math.abs(v - data[i]!)), 0);
      expect(worst / rms).toBeLessThan(2e-5);
    }
    network.destroy();
  });
  test("converted, it needs no graph", async () => {
    const model = await fromFiles(files);
    const parts: Uint8Array[] = [];
    for await (const piece of (await convertModel(model, { dtype: "f32" })).pieces) parts.push(piece);
    const again = await open(new Uint8Array(Buffer.concat(parts)));
    expect(again.layout).toBe("A");
    expect(again.config).toEqual(tiny);
    await expectState(again, state);
  });
  test("inspect describes it", async () => {
    const report = await inspectCheckpoint(await openSource(blobs(files)), options);
    expect(report).toMatchObject({ container: "tfjs", layout: "K", problems: [], missing: [], tensors: state.size });
  });
});

describe("its files", () => {
  test("are found from a folder's path, from model.json's, and at an address", async () => {
    const folder = await written(files);
    for (const path of [folder, join(folder, "model.json")])
      await expectState(await openModelCheckpoint(await openSource(path), options), state);
    const asked: string[] = [];
    const fetch = (async (url: string | URL) => {
      const name = String(url).split("/").pop()!;
      asked.push(name);
      const bytes = files.get(name);
      return bytes ? new Response(new Blob([bytes])) : new Response("no", { status: 404 });
    }) as typeof globalThis.fetch;
    const events: string[] = [];
    const source = await openInBrowser("https://h.org/a/model.json", {
      fetch,
      onProgress: ({ file, loaded, total, status }) => void events.push(`${file} ${status} ${loaded}/${total}`),
    });
    await expectState(await openModelCheckpoint(source, options), state);
    expect(new Set(asked)).toEqual(new Set(files.keys()));
    const bytes = [...files].reduce((sum, [name, b]) => (name === "model.json" ? sum : sum + b.length), 0);
    expect(events.some((event) => event.endsWith(`/${bytes}`))).toBe(true);
  });
  test("are kept by the browser's cache, shards as well", async () => {
    const kept = new Map<string, Blob>();
    const cache = {
      async getFileHandle(name: string, { create = false } = {}) {
        if (!create && !kept.has(name)) throw new Error("none");
        return {
          getFile: async () => kept.get(name)!,
          createWritable: async () => {
            const parts: BlobPart[] = [];
            return {
              write: async (part: BlobPart) => void parts.push((part as Uint8Array<ArrayBuffer>).slice()),
              close: async () => void kept.set(name, new Blob(parts)),
              abort: async () => {},
            };
          },
          move: async (to: string) => {
            kept.set(to, kept.get(name)!);
            kept.delete(name);
          },
        };
      },
      removeEntry: async (name: string) => void kept.delete(name),
    } as unknown as FileSystemDirectoryHandle;
    let bodies = 0;
    const fetch = (async (url: string | URL, init?: RequestInit) => {
      const bytes = files.get(String(url).split("/").pop()!);
      if (!bytes) return new Response("no", { status: 404 });
      const [, from = "0", to = ""] = /bytes=(\d+)-(\d*)/.exec(new Headers(init?.headers).get("range") ?? "") ?? [];
      const part = bytes.slice(Number(from), to ? Number(to) + 1 : undefined);
      bodies += part.length;
      const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
      return new Response(new Blob([part]), { status: 206, headers: { "content-range": range } });
    }) as typeof globalThis.fetch;
    const load = async () => {
      const source = await openInBrowser("https://h.org/a/model.json", { fetch, cache, readAhead: 64 });
      await expectState(await openModelCheckpoint(source, options), state);
    };
    await load();
    expect(kept.size).toBe(files.size);
    const first = bodies;
    await load();
    expect(bodies - first).toBeLessThan(first / 5); // sizes are asked for again, with the first bytes
  });
  test("may be those of a dropped folder", async () => {
    const dropped = new Map([...blobs(files)].map(([name, blob]) => [`some/folder/${name}`, blob]));
    await expectState(await openModelCheckpoint(await openInBrowser(dropped), options), state);
  });
  test("of a pipeline, too: side files are found in folders beside", async () => {
    const folder = join(await written(new Map()), "nested");
    await mkdir(folder);
    await expect(openInBrowser(new Map())).rejects.toThrow("an empty folder");
    await expect(openInBrowser([new File(["x"], "a.txt"), new File(["y"], "b.txt")])).rejects.toThrow(
      "holds no weights",
    );
  });
});

describe("refused", () => {
  const cases: Record<string, [GraphFiles, string]> = {
    "a layers model": [
      edited(files, (m) => void (m.format = "layers-model")),
      "is a TF.js layers-model; expected a graph-model",
    ],
    "another operation": [
      edited(files, (m) => void (m.modelTopology.node[5]!.op = "Relu")),
      "not of Keras' DDPM example (it has the operation Relu)",
    ],
    "an activation inside a convolution": [
      edited(files, (m) => {
        const [, second] = m.modelTopology.node.filter(({ op }) => op === "_FusedConv2D");
        second!.attr!.fused_ops!.list.s.push("UmVsdQ==");
      }),
      "has an activation inside",
    ],
    "other strides": [
      edited(files, (m) => {
        for (const n of m.modelTopology.node) if (n.attr?.strides?.list.i[1] === "2") n.attr.strides.list.i[1] = "3";
      }),
      "has strides 1 3 2 1",
    ],
    "two kinds of residual": [
      edited(files, (m) => {
        const node = m.modelTopology.node.find(({ name }) => /attention_block_\d+\/add$/.test(name));
        node!.input[0] = "image_input";
      }),
      "some attentions add their input",
    ],
    "a shard that is missing": [
      new Map([...files].filter(([name]) => !name.startsWith("group1-shard1of"))),
      "is not beside it; download it too",
    ],
    "shards that are cut": [
      new Map([...files].map(([name, b]) => [name, name.startsWith("group1-shard2of") ? b.slice(1) : b])),
      "has 999 bytes, expected 1000",
    ],
    "shards of another number": [edited(files, (m) => void m.weightsManifest[0]!.paths.pop()), "which is not"],
    "a weight without a quantisation's scale": [
      edited(files, (m) => void (m.weightsManifest[0]!.weights[0]!.quantization = { dtype: "uint8" })),
      "has a quantisation without scale and min",
    ],
    "a type that TF.js has not": [
      edited(files, (m) => void (m.weightsManifest[0]!.weights[0]!.dtype = "complex64")),
      "is complex64, which is not read",
    ],
    "a shard elsewhere": [
      edited(files, (m) => void (m.weightsManifest[0]!.paths[0] = "../../secret.bin")),
      '"../../secret.bin" is not a plain file name beside the checkpoint',
    ],
    "a shard on another host": [
      edited(files, (m) => void (m.weightsManifest[0]!.paths[0] = "https://h.org/x.bin")),
      "is not a plain file name beside the checkpoint",
    ],
    "norms of different groups": [
      kerasGraph(tiny, state, { lastGroups: 2 }),
      "its norms differ (2 groups and epsilon 0.001 beside 4 and 0.001)",
    ],
    "a weight of a terabyte": [
      edited(files, (m) => void (m.weightsManifest[0]!.weights.at(-1)!.shape = [2 ** 20, 2 ** 20])),
      "which is not",
    ],
    "half a file": [new Map([...files, ["model.json", files.get("model.json")!.slice(0, 2000)]]), "is not whole JSON"],
  };
  test.each(Object.entries(cases))("%s", async (_, [all, message]) => {
    const whole = async () => {
      const model = await fromFiles(all);
      for (const name of model.tensors.keys()) await model.read(name);
    };
    await expect(whole()).rejects.toThrow(message);
  });
  test("without a schedule", async () => {
    await expect(fromFiles(files, {})).rejects.toThrow("does not tell what noise it was trained on; give the schedule");
  });
  test("as a file alone", async () => {
    await expect(openModelCheckpoint(await openSource(new Blob([files.get("model.json")!])), options)).rejects.toThrow(
      "drop it with its shards",
    );
  });
});

test("anime64 is trained on 300 steps of a cosine that ends in noise", () => {
  const { schedule } = modelPresets.anime64;
  expect(checkSchedule(schedule, "anime64")).toBe(schedule);
  const bars = alphaBars("f64", schedule);
  expect(bars).toHaveLength(300);
  expect(bars[0]).toBeCloseTo(0.99984, 4);
  expect(bars[150]).toBeCloseTo(0.48865, 4);
  expect(bars[299]).toBeLessThan(1e-7);
});
