import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openContainer } from "../src/model/checkpoint/checkpoint";
import { decode } from "../src/model/checkpoint/dtype";
import { memorySource } from "../src/model/checkpoint/source";
import { DDPM_TINY, expectState, open, stateOf } from "./checkpoint-models";
import {
  encode,
  type Py,
  rowMajor,
  type State,
  safetensors,
  stateFile,
  type TorchFile,
  torchLegacy,
  torchZip,
  u8,
} from "./checkpoint-writers";

const golden = join(import.meta.dirname, "golden/containers");
const state = stateOf(DDPM_TINY);

/** All tensors as views into one storage, each transposed if it is a matrix. */
function views(state: State, transposed: boolean): TorchFile {
  const total = [...state.values()].reduce((n, { values }) => n + values.length, 0);
  const all = new Float32Array(total);
  const object = new Map<string, Py>();
  let at = 0;
  for (const [name, { shape, values }] of state) {
    let stride = rowMajor(shape);
    let stored = values;
    if (transposed && shape.length === 2) {
      const [rows, columns] = shape as [number, number];
      stride = [1, rows];
      stored = Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
    }
    all.set(stored, at);
    object.set(name, { tensor: true, key: "0", dtype: "F32", numel: total, offset: at, shape, stride });
    at += values.length;
  }
  return { object, storages: new Map([["0", u8(all)]]) };
}

const rounded = (dtype: "F16" | "BF16"): State =>
  new Map(
    [...state].map(([name, { shape, values }]) => [
      name,
      { shape, values: decode(new Uint8Array(encode(values, dtype)), dtype) },
    ]),
  );

const zeros: State = new Map(
  [...state].map(([n, { shape, values }]) => [n, { shape, values: new Float32Array(values.length) }]),
);

/** [model (zeros), optimizer, epoch, step, ema] as the DDIM training code saves it. */
function trainingList(): TorchFile {
  const model = stateFile(zeros, { prefix: "module." });
  const ema = stateFile(state);
  const storages = new Map(model.storages);
  const object = new Map<string, Py>();
  for (const [name, tensor] of ema.object as Map<string, { readonly key: string } & Extract<Py, { tensor: true }>>)
    object.set(name, { ...tensor, key: `e${tensor.key}` });
  for (const [key, bytes] of ema.storages) storages.set(`e${key}`, bytes);
  return { object: [model.object, new Map<string, Py>([["state", new Map()]]), 7, 1000, object], storages };
}

const wrapped = (key: string, prefix = ""): TorchFile => {
  const file = stateFile(state, { prefix });
  return {
    object: new Map<string, Py>([
      [key, file.object],
      ["epoch", 7],
      ["args", null],
    ]),
    storages: file.storages,
  };
};

describe("good files give their tensors bit by bit", () => {
  const cases: Record<string, () => Uint8Array | Promise<Uint8Array>> = {
    "safetensors f32": () => safetensors(state, "F32", { format: "pt" }),
    "safetensors f64": () => safetensors(state, "F64"),
    "torch zip": () => torchZip(stateFile(state)),
    "torch zip f64": () => torchZip(stateFile(state, { dtype: "F64" })),
    "torch zip, parameters": () => torchZip(stateFile(state, { parameter: true })),
    "torch zip, byteorder little": () => torchZip(stateFile(state), { byteorder: "little" }),
    "torch zip, one storage": () => torchZip(views(state, false)),
    "torch zip, transposed": () => torchZip(views(state, true)),
    "torch legacy": () => torchLegacy(stateFile(state)),
    "torch legacy, transposed": () => torchLegacy(views(state, true)),
    "list with EMA": () => torchZip(trainingList()),
    "list with EMA, legacy": () => torchLegacy(trainingList()),
    "state_dict, module.": () => torchLegacy(wrapped("state_dict", "module.")),
    model: () => torchZip(wrapped("model")),
    ema: () => torchZip(wrapped("ema")),
    model_ema: () => torchZip(wrapped("model_ema")),
    module: () => torchZip(wrapped("module", "module.")),
    "prefix model.": () => torchZip(stateFile(state, { prefix: "model." })),
    "prefix _orig_mod.": () => torchZip(stateFile(state, { prefix: "_orig_mod." })),
    "prefix unet.module.": () => torchZip(stateFile(state, { prefix: "unet.module." })),
  };
  for (const [name, make] of Object.entries(cases))
    test(name, async () => {
      const model = await open(await make(), { resolution: 16 });
      expect(model.config).toEqual(DDPM_TINY);
      await expectState(model, state);
    });
  for (const dtype of ["F16", "BF16"] as const)
    test(`${dtype} in zip and safetensors`, async () => {
      await expectState(await open(torchZip(stateFile(state, { dtype }))), rounded(dtype));
      await expectState(await open(await safetensors(state, dtype)), rounded(dtype));
    });
  test("without EMA, the raw weights of a list are taken", async () => {
    await expectState(await open(torchZip(trainingList()), { ema: false }), zeros);
  });
  test("Asyrp's layers, counters and duplicates are left out and named", async () => {
    const extra = new Map(state);
    for (const name of ["layer_0.conv1.weight", "bn.num_batches_tracked", "down.0.downsamplers.0.Conv2d_0.weight"])
      extra.set(name, { shape: [1], values: Float32Array.of(1) });
    extra.set("down.0.strange.weight", { shape: [1], values: Float32Array.of(1) });
    const model = await open(torchZip(stateFile(extra)));
    await expectState(model, state);
    expect(model.ignored).toHaveLength(3);
    expect(model.surplus).toEqual(["down.0.strange.weight"]);
  });
  test("tensors are listed in file order", async () => {
    const file = await openContainer(memorySource(await safetensors(state)));
    expect([...file.tensors.keys()]).toEqual([...state.keys()]);
  });
});

describe("golden files", () => {
  let reference: Awaited<ReturnType<typeof open>>;
  const golf = async (name: string) => open(await readFile(join(golden, name)), { resolution: 16 }, name);
  beforeAll(async () => {
    reference = await golf("ddpm.safetensors");
  });
  for (const name of ["legacy.ckpt", "shared_storage.pt"])
    test(`${name} holds the same network`, async () => {
      const model = await golf(name);
      expect(model.config).toEqual(reference.config);
      for (const tensor of reference.tensors.keys())
        expect(Buffer.compare(u8(await model.read(tensor)), u8(await reference.read(tensor))), tensor).toBe(0);
    });
  test("half.pt is the network rounded to half", async () => {
    const model = await golf("half.pt");
    for (const tensor of reference.tensors.keys()) {
      const exact = await reference.read(tensor);
      const half = decode(new Uint8Array(encode(exact, "F16")), "F16");
      expect(Buffer.compare(u8(await model.read(tensor)), u8(half)), tensor).toBe(0);
    }
  });
  test.each([
    ["hostile.pt", /"posix\.system".*never run/],
    ["lfs_pointer.safetensors", /git-LFS pointer.*git lfs pull/],
    ["html.ckpt", /web page \(HTML\).*resolve/],
    ["torchscript.pt", /TorchScript.*state_dict/],
  ])("%s is refused", async (name, message) => {
    await expect(golf(name)).rejects.toThrow(message);
    await expect(golf(name)).rejects.toMatchObject({ name: "UserError" });
  });
});

describe("bad files are named for what they are, in one line", () => {
  const text = (s: string) => new TextEncoder().encode(s.padEnd(600));
  const latin = (s: string) => Uint8Array.from(s.padEnd(600, "\0"), (c) => c.charCodeAt(0));
  const tar = new Uint8Array(1024);
  tar.set(latin("ustar").subarray(0, 5), 257);
  const file = stateFile(state);
  const nan = new Map(state).set("conv_in.bias", { shape: [32], values: new Float32Array(32).fill(Number.NaN) });
  const prefix = (n: bigint) => new Uint8Array(BigUint64Array.of(n).buffer);
  const huge = new Uint8Array(64);
  huge.set(prefix(100_000_000n));
  huge[8] = 0x7b;
  const header = (json: string, data = 0) => {
    const bytes = new TextEncoder().encode(json);
    return Buffer.concat([prefix(BigInt(bytes.length)), bytes, new Uint8Array(data)]);
  };
  const cases: [string, Uint8Array | (() => Promise<Uint8Array>), RegExp][] = [
    ["empty", new Uint8Array(0), /is empty; download it again/],
    ["html", text("<!DOCTYPE html><html>"), /web page/],
    ["AccessDenied", text('<?xml version="1.0"?><Error><Code>AccessDenied</Code>'), /AccessDenied.*mirror/],
    ["gzip", latin("\x1f\x8b\x08"), /gzip.*unpack/],
    ["tar", tar, /tar archive.*torch\.save/],
    ["onnx", latin("\x08\x07\x12\x07pytorch"), /ONNX.*exported from/],
    ["png", latin("\x89PNG\r\n"), /image/],
    ["jpeg", latin("\xff\xd8\xff\xe0"), /image/],
    ["hdf5", latin("\x89HDF\r\n"), /HDF5/],
    ["config.json", text('{"_class_name": "UNet2DModel"}'), /diffusers config.*diffusion_pytorch_model/],
    ["json", text('{"error": "gated"}'), /JSON/],
    ["text", text("Entry not found"), /"Entry not found/],
    ["bare pickle", latin("\x80\x04\x95\x10"), /pickle that torch\.save did not write/],
    ["noise", Uint8Array.from({ length: 300 }, (_, i) => (i * 97 + 130) & 255), /in no known container/],
    ["empty zip", latin("PK\x05\x06"), /empty zip/],
    ["big-endian zip", torchZip(file, { byteorder: "big" }), /big-endian.*little-endian machine/],
    ["big-endian legacy", torchLegacy(file, "F32", false), /big-endian/],
    ["zip cut", torchZip(file).subarray(0, 700_000), /truncated or damaged/],
    ["legacy cut in its pickles", torchLegacy(file).subarray(0, 4000), /truncated/],
    ["legacy cut in its storages", torchLegacy(file).subarray(0, 500_000), /truncated/],
    ["safetensors cut", async () => (await safetensors(state)).subarray(0, 500_000), /truncated/],
    ["safetensors cut in its header", async () => (await safetensors(state)).subarray(0, 300), /cut short/],
    ["header of 100 MB in 64 bytes", huge, /cut short/],
    [
      "header of 2^53",
      Buffer.concat([prefix(2n ** 53n), new Uint8Array([0x7b, 0x7d]), new Uint8Array(100)]),
      /cut short/,
    ],
    [
      "zip without data.pkl",
      () => Promise.resolve(torchZip({ object: 1, storages: new Map() }, {}, "a/b")),
      /without one data\.pkl/,
    ],
    [
      "no tensors",
      torchZip({ object: new Map<string, Py>([["epoch", 3]]), storages: new Map() }),
      /no state dict \(found: epoch\)/,
    ],
    [
      "unknown names",
      torchZip(stateFile(new Map([["fc.weight", { shape: [2], values: Float32Array.of(1, 2) }]]))),
      /fc\.weight.*choose a U-Net/,
    ],
    [
      "stable diffusion",
      torchZip(
        stateFile(
          new Map([
            [
              "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight",
              { shape: [1], values: Float32Array.of(1) },
            ],
          ]),
        ),
      ),
      /Stable Diffusion/,
    ],
    [
      "unknown dtype",
      header('{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', 1),
      /unknown dtype "F8_E4M3"/,
    ],
    [
      "wrong size",
      header('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4),
      /F32 \[2\] needs 8 bytes, data_offsets give 4/,
    ],
    [
      "overlap",
      header(
        '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}',
        6,
      ),
      /overlap/,
    ],
    ["gap", header('{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}', 8), /gap/],
    ["past the end", header('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', 3), /truncated or damaged/],
    ["bytes left over", header('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', 9), /its tensors end at/],
    ["shape of 2^53", header('{"a":{"dtype":"F32","shape":[9007199254740991,4],"data_offsets":[0,4]}}', 4), /needs/],
    ["header no JSON", header("{nonsense}"), /not JSON/],
  ];
  test.each(cases)("%s", async (name, made, message) => {
    const bytes = typeof made === "function" ? await made() : made;
    const error = await open(bytes, { resolution: 16 }, name).catch((e: Error) => e);
    expect(error).toMatchObject({ name: "UserError" });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain("\n");
  });
  test("a CRC that differs", async () => {
    const bytes = torchZip(file);
    const at = Buffer.from(bytes).indexOf(Buffer.from(u8(state.get("conv_out.weight")!.values).subarray(0, 16)));
    bytes[at + 5]! ^= 1;
    const model = await open(bytes);
    await expect(model.read("conv_out.weight")).rejects.toThrow(/CRC-32 differs/);
  });
  test("NaN weights name their tensor", async () => {
    const model = await open(await safetensors(nan));
    await expect(model.read("conv_in.bias")).rejects.toThrow(/conv_in\.bias holds NaN at element 0 of 32/);
    await expect(model.read("conv_in.bias")).rejects.toMatchObject({ name: "NonFiniteError" });
  });
  test("a missing tensor, and one of the wrong shape", async () => {
    const less = new Map(state);
    less.delete("mid.attn_1.q.weight");
    await expect(open(await safetensors(less))).rejects.toThrow(
      /1 of 142 tensors are missing \(mid\.attn_1\.q\.weight\)/,
    );
    const odd = new Map(state).set("norm_out.weight", { shape: [16], values: new Float32Array(16) });
    await expect(open(await safetensors(odd))).rejects.toThrow(/norm_out\.weight is \[16\], expected \[32\]/);
  });
});
