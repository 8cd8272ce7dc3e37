import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packAnyConv } from "../src/kernels/conv/any";
import { packConv, packConvInParts } from "../src/kernels/conv/conv";
import { packed } from "../src/kernels/conv/packing";
import { convVariants } from "../src/kernels/conv/tuner-variants";
import { convShape } from "../src/kernels/conv/variant";
import { fileSource } from "../src/model/checkpoint/file-node";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { memorySource } from "../src/model/checkpoint/source";
import { Network } from "../src/model/network";
import { DDPM_TINY, expectState, open, stateOf } from "./checkpoint-models";
import {
  type Py,
  type PyTensor,
  type State,
  safetensors,
  stateFile,
  type TorchFile,
  torchLegacy,
  torchZip,
  u8,
} from "./checkpoint-writers";
import { forgetfulDevice, type Written } from "./support/forgetful";
import { software as target } from "./support/targets";

// What real files have besides the plain forms: each was made with PyTorch first, and failed or was read wrongly.
const state = stateOf(DDPM_TINY);
const zeros: State = new Map(
  [...state].map(([name, { shape, values }]) => [name, { shape, values: new Float32Array(values.length) }]),
);
const hints = { resolution: 16 };

/** Two networks under two keys, or in one dict where `join` says so. */
function two(first: [string, State], second: [string, State], join = false): TorchFile {
  const storages = new Map<string, Uint8Array>();
  const object = new Map<string, Py>();
  for (const [key, weights] of [first, second]) {
    const file = stateFile(weights, { prefix: join ? `${key}.` : "" });
    const renamed = [...(file.object as Map<string, PyTensor>)].map(
      ([name, tensor]) => [name, { ...tensor, key: `${key}-${tensor.key}` }] as const,
    );
    for (const [k, bytes] of file.storages) storages.set(`${key}-${k}`, bytes);
    if (join) for (const [name, tensor] of renamed) object.set(name, tensor);
    else object.set(key, new Map<string, Py>(renamed));
  }
  return { object, storages };
}

describe("wrappers", () => {
  for (const key of ["model_state_dict", "unet", "net", "network", "params"])
    test(`{${key}}`, async () => {
      const { object, storages } = stateFile(state);
      const model = await open(torchZip({ object: new Map<string, Py>([[key, object]]), storages }), hints);
      expect(model.wrapper).toBe(key);
      await expectState(model, state);
    });
  for (const [raw, ema] of [
    ["state_dict", "ema_state_dict"],
    ["state_dict", "state_dict_ema"],
    ["params", "params_ema"],
    ["model", "ema_model"],
  ] as const)
    test(`{${raw}, ${ema}}: the average, unless the raw weights are asked for`, async () => {
      const bytes = torchZip(two([raw, zeros], [ema, state]));
      await expectState(await open(bytes, hints), state);
      await expectState(await open(bytes, { ...hints, ema: false }), zeros);
    });
  test("online_model. and ema_model. in one dict", async () => {
    const bytes = torchZip(two(["online_model.module", zeros], ["ema_model.module", state], true));
    const average = await open(bytes, hints);
    expect(average.wrapper).toBe("ema_model.module.");
    expect(average.ignored).toHaveLength(state.size);
    await expectState(average, state);
    await expectState(await open(bytes, { ...hints, ema: false }), zeros);
  });
});

describe("pickles and storages", () => {
  /** Puts another protocol in front of every pickle; from 4 on each is in a frame. */
  const magic = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
  for (const protocol of [3, 4, 5])
    test(`legacy stream, pickle protocol ${protocol}`, async () => {
      const bytes = torchLegacy(stateFile(state));
      const frame = protocol < 4 ? [] : [0x95, 13, 0, 0, 0, 0, 0, 0, 0];
      const rest = bytes.subarray(2 + magic.length);
      await expectState(await open(Buffer.concat([Buffer.from([0x80, protocol, ...frame, ...magic]), rest])), state);
    });
  test("an expanded vector repeats its one element; a vast one is refused", async () => {
    const file = (length: number) => {
      const { object, storages } = stateFile(state);
      const tensors = new Map(object as Map<string, PyTensor>);
      const { key } = tensors.get("norm_out.bias")!;
      tensors.set("norm_out.bias", { ...tensors.get("norm_out.bias")!, numel: 1, shape: [length], stride: [0] });
      return torchZip({ object: tensors, storages: new Map(storages).set(key, u8(Float32Array.of(0.25))) });
    };
    const values = new Float32Array(32).fill(0.25);
    await expectState(await open(file(32)), new Map(state).set("norm_out.bias", { shape: [32], values }));
    await expect(open(file(2 ** 20))).rejects.toThrow(
      /\[1048576\] at element 0 does not fit its storage of 1 elements/,
    );
  });
  test("integers of all widths and empty tensors beside the network", async () => {
    const { object, storages } = stateFile(state);
    const tensors = new Map<string, Py>(object as Map<string, PyTensor>);
    const kept = new Map(storages);
    for (const [dtype, shape] of [
      ["I64", []],
      ["I16", [3]],
      ["I8", [3]],
      ["F32", [0]],
      ["F32", [3, 0, 5]],
    ] as const) {
      const [key, numel] = [`extra${kept.size}`, shape.reduce((a: number, b) => a * b, 1)];
      kept.set(key, new Uint8Array(numel * { I64: 8, I16: 2, I8: 1, F32: 4 }[dtype]));
      const stride = shape.map((_, i) => shape.slice(i + 1).reduce((a: number, b) => a * Math.max(1, b), 1));
      tensors.set(key, { tensor: true, key, dtype, numel, offset: 0, shape, stride });
    }
    const model = await open(torchZip({ object: tensors, storages: kept }));
    expect(model.surplus).toHaveLength(5);
    await expectState(model, state);
  });
});

describe("shards", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "shards-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  test("of torch files", async () => {
    const half = [...state].slice(0, 70);
    const rest = [...state].slice(70);
    await writeFile(join(folder, "a.bin"), torchZip(stateFile(new Map(half))));
    await writeFile(join(folder, "b.bin"), torchLegacy(stateFile(new Map(rest))));
    const names = Object.fromEntries([...state.keys()].map((name, i) => [name, i < 70 ? "a.bin" : "b.bin"]));
    await writeFile(join(folder, "pytorch_model.bin.index.json"), JSON.stringify({ weight_map: names }));
    const model = await openModelCheckpoint(await fileSource(join(folder, "pytorch_model.bin.index.json")), hints);
    await expectState(model, state);
    model.close();
  });
});

describe("the way to the GPU", () => {
  const shuffled: State = new Map([...state].sort(([a], [b]) => (a < b ? 1 : -1)));
  test("a file is read once, front to back, whatever order the network has", async () => {
    const bytes = await safetensors(shuffled);
    const reads: number[] = [];
    const source = memorySource(bytes, "shuffled");
    const watched = {
      ...source,
      read: (offset: number, length: number) => {
        reads.push(offset);
        return source.read(offset, length);
      },
    };
    const model = await openModelCheckpoint(watched, hints);
    reads.length = 0;
    const written: Written = [];
    const network = await Network.load(model, forgetfulDevice(written));
    expect(reads).toEqual([...reads].sort((a, b) => a - b));
    expect(reads).toHaveLength(state.size);
    const plain = await Network.load(await open(await safetensors(state), hints), forgetfulDevice());
    expect(network.hash).toBe(plain.hash);
    // Projections of all blocks lie in one buffer, each where it belongs.
    const temb = written.filter(([label]) => label.includes("temb_proj.weight"));
    expect(temb.length).toBeGreaterThan(1);
    expect(temb.map(([, offset]) => offset).sort((a, b) => a - b)[0]).toBe(0);
    const end = temb.reduce((sum, [, , length]) => sum + length, 0);
    expect(Math.max(...temb.map(([, offset, length]) => offset + length))).toBe(end);
  });
});

test("a tensor is read while the one before is packed, and neither spoils the other", async () => {
  const model = await open(await safetensors(state), hints);
  const load = async (read: typeof model.read) => {
    const device = forgetfulDevice();
    const events: string[] = [];
    const written = new Map<string, string>();
    device.gpu.queue.writeBuffer = ({ label }, offset, data) => {
      events.push(`write ${label}`);
      const { buffer, byteOffset, byteLength } = data as Uint8Array<ArrayBuffer>;
      written.set(`${label} ${offset}`, Buffer.from(buffer.slice(byteOffset, byteOffset + byteLength)).toString("hex"));
    };
    const watched: typeof model.read = (key, ...rest) => {
      events.push(`read ${key}`);
      return read(key, ...rest);
    };
    const { hash } = await Network.load({ ...model, read: watched }, device);
    return { hash, events, written };
  };
  const fresh = await load((key) => model.read(key));
  let inFlight = 0;
  const into = await load(async (key, signal, scratch) => {
    expect(inFlight++).toBe(0); // a server without ranges is read from front to back
    const values = await model.read(key, signal, scratch);
    inFlight--;
    return values;
  });
  expect(into.written).toEqual(fresh.written);
  expect(into.hash).toBe(fresh.hash);
  const [second] = [...model.tensors.keys()].slice(1);
  const reads = into.events.indexOf(`read ${second}`);
  expect(reads).toBeLessThan(into.events.findIndex((event) => event.startsWith("write")));
});

test("every packing stops as often as it has large parts, and then returns what packing at once does", () => {
  for (const weights of ["f32", "f16"] as const)
    for (const kernel of [1, 3] as const) {
      const shape = convShape({ kernel, n: 1, c1: 700, c2: 100, oc: kernel === 1 ? 1400 : 150, h: 16, w: 16 });
      const filters = Float32Array.from({ length: shape.oc * 800 * kernel ** 2 }, (_, i) => Math.sin(i));
      for (const variant of convVariants.filter(({ name, runs }) => !/\dx\d/.test(name) && runs(shape, target))) {
        const given = [variant, shape, { ...target, weights }] as const;
        if (!variant.runs(shape, given[2])) continue;
        const packing = packConvInParts(filters, ...given);
        let stops = 0;
        let part = packing.next();
        for (; !part.done; part = packing.next()) stops++;
        const name = `${variant.name}, ${kernel}x${kernel} in ${weights}`;
        expect(stops, name).toBeGreaterThanOrEqual(weights === "f16" ? 7 : 3); // a million values, moved and rounded
        expect(Buffer.compare(part.value, packConv(filters, ...given)), name).toBe(0);
      }
    }
  const odd = packAnyConv(new Float32Array(600 * 40 * 49), 600, 40, 7);
  expect([...odd].length).toBeGreaterThanOrEqual(3);
  expect([...packed(new Float32Array(2 ** 20), "f16")].length).toBeGreaterThanOrEqual(3); // of linear layers
});

test("a cancel is heard between two tensors", async () => {
  const checkpoint = await open(await safetensors(state), hints);
  const controller = new AbortController();
  const reason = new Error("enough");
  let read = 0;
  const aborting = async (key: string) => {
    if (++read === 3) controller.abort(reason);
    return checkpoint.read(key);
  };
  const loading = Network.load({ ...checkpoint, read: aborting }, forgetfulDevice(), { signal: controller.signal });
  await expect(loading).rejects.toBe(reason);
  expect(read).toBe(3);
});

test("a network is told apart by its weights, configuration and schedule, not by how samples are drawn", async () => {
  const checkpoint = await open(await safetensors(state), hints);
  const hashOf = async (changes: Partial<typeof checkpoint>) =>
    (await Network.load({ ...checkpoint, read: checkpoint.read.bind(checkpoint), ...changes }, forgetfulDevice())).hash;
  const { config, schedule } = checkpoint;
  const plain = await hashOf({});
  expect(plain).toMatch(/^[0-9a-f]{64}$/);
  const reordered = Object.fromEntries(Object.entries(config).reverse()) as unknown as typeof config;
  expect(await hashOf({ config: reordered })).toBe(plain);
  expect(await hashOf({ config: { ...config, heads: 1 } })).toBe(plain);
  expect(await hashOf({ schedule: { ...schedule, clip: 1, spacing: "trailing" } })).toBe(plain);
  const others = await Promise.all([
    hashOf({ config: { ...config, width: 32 } }),
    hashOf({ config: { ...config, eps: 1e-5 } }),
    hashOf({ schedule: { ...schedule, prediction: "v_prediction" } }),
    hashOf({ schedule: { ...schedule, betas: { kind: "squaredcos_cap_v2" } } }),
    hashOf({ schedule: { ...schedule, zeroSnr: true } }),
    hashOf({ read: async (key) => (await checkpoint.read(key)).map((v) => -v) }),
  ]);
  expect(new Set([plain, ...others]).size).toBe(1 + others.length);
});

describe("named for what they are", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const utf16 = (text: string) => Uint8Array.from(Buffer.from(`\ufeff${text}`, "utf16le"));
  const swapped = (values: Float32Array) => u8(Uint32Array.from(new Uint32Array(values.buffer), swap32));
  const swap32 = (v: number) => ((v & 0xff) << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24);
  const duplicate = async () => {
    const file = Buffer.from(await safetensors(state));
    const length = Number(file.readBigUInt64LE());
    const header = file.subarray(8, 8 + length).toString();
    const again = /"conv_in\.bias":\{[^}]*\}/.exec(header)![0];
    const longer = Buffer.from(`{${again},${header.slice(1)}`);
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(longer.length));
    return Buffer.concat([prefix, longer, file.subarray(8 + length)]);
  };
  const cases: [string, () => Uint8Array | Promise<Uint8Array>, RegExp][] = [
    ["HTML behind a byte order mark", () => bytes("\ufeff<!DOCTYPE html><html>"), /web page/],
    ["HTML in UTF-16", () => utf16("<!DOCTYPE html><html>"), /web page/],
    ["HTML behind a comment", () => bytes('<!-- hi -->\n<html lang="en"><head>'), /web page/],
    ["HTML without a head", () => bytes('<meta charset="utf-8"><title>Sign in</title>'), /web page/],
    ["XML behind a byte order mark", () => bytes("\ufeff<Error><Code>AccessDenied</Code></Error>"), /AccessDenied/],
    ["SVG", () => bytes('<svg xmlns="http://www.w3.org/2000/svg"/>'), /XML document/],
    ["a JSON list", () => bytes("[1, 2, 3]"), /JSON/],
    ["a pickle of protocol 0", () => bytes("(dp0\nVa\np1\nI1\ns."), /Python pickle/],
    ["a pickle of protocol 1", () => bytes("}q\0X\x01\0\0\0aq\x01K\x01s."), /Python pickle/],
    ["a name twice, to the same bytes", duplicate, /names a tensor twice/],
    [
      "safetensors with a big-endian length",
      async () => {
        const file = Buffer.from(await safetensors(state));
        file.subarray(0, 8).reverse();
        return file;
      },
      /big-endian byte order; re-save/,
    ],
    ["a list of tensors", () => torchZip({ object: [1, 2], storages: new Map() }), /no state dict \(found: a list\)/],
  ];
  test.each(cases)("%s", async (name, made, message) => {
    const error = await open(await made(), hints, name).catch((e: Error) => e);
    expect(error).toMatchObject({ name: "UserError" });
    expect((error as Error).message).toMatch(message);
  });
  test("big-endian numbers that no record admits", async () => {
    const { object, storages } = stateFile(state);
    const turned = new Map([...storages].map(([key, data]) => [key, swapped(new Float32Array(data.slice().buffer))]));
    const model = await open(torchZip({ object, storages: turned }));
    await expect(model.read("conv_in.weight")).rejects.toThrow(/big-endian order; re-save it/);
  });
  test("a diverged network is not taken for a big-endian one", async () => {
    const values = state.get("conv_in.weight")!.values.map((v, i) => (i % 7 ? v : Number.NaN));
    const all = state.get("conv_in.weight")!.values.map(() => Number.NaN);
    for (const broken of [values, all]) {
      const model = await open(
        await safetensors(new Map(state).set("conv_in.weight", { shape: [32, 3, 3, 3], values: broken })),
      );
      await expect(model.read("conv_in.weight")).rejects.toThrow(/NaN at element 0 of 864; the training diverged/);
    }
  });
});
