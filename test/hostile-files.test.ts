import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../src/errors";
import { openCheckpoint } from "../src/model/checkpoint/checkpoint";
import { fileSource } from "../src/model/checkpoint/file-node";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { unpickle } from "../src/model/checkpoint/pickle";
import { type ByteSource, memorySource } from "../src/model/checkpoint/source";
import { DDPM_TINY, stateOf } from "./checkpoint-models";
import { type Py, pickle, safetensors, stateFile, torchLegacy, torchZip, zip } from "./checkpoint-writers";

/** Opens and reads everything. @returns the one-line refusal, after checking processor time and memory */
async function refusal(bytes: Uint8Array | ByteSource): Promise<string> {
  const before = process.memoryUsage();
  const began = process.cpuUsage();
  let error: unknown;
  try {
    const checkpoint = await openCheckpoint(bytes instanceof Uint8Array ? memorySource(bytes, "file") : bytes);
    for (const name of checkpoint.tensors.keys()) await checkpoint.read(name);
  } catch (thrown) {
    error = thrown;
  }
  const { user, system } = process.cpuUsage(began);
  const after = process.memoryUsage();
  expect((user + system) / 1e6).toBeLessThan(3); // seconds; below 2 on an idle machine
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(256 * 2 ** 20);
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as UserError;
  expect(message).not.toContain("\n");
  expect(message.length).toBeLessThan(400);
  return message;
}

/** A safetensors file of this header and as many bytes of data. */
function withHeader(header: string | Uint8Array, data = 0): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const out = new Uint8Array(8 + text.length + data);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  return out;
}

/** A torch zip around a hand-made pickle. */
const zipped = (data: Uint8Array) => zip(new Map([["archive/data.pkl", data]]));

const repeat = (piece: readonly number[] | string, times: number): Uint8Array => {
  const bytes = Buffer.from(piece as string, "latin1");
  return Buffer.alloc(bytes.length * times, bytes);
};

const MIB = 2 ** 20;

describe("safetensors headers", () => {
  test.each<[string, () => Uint8Array, RegExp]>([
    ["31 MB of nested arrays", () => new Uint8Array(31 * MIB).fill(0x5b), /nested more than 3 deep/],
    ["31 MB of nested objects", () => repeat('{"a":', 6 * MIB), /nested more than 3 deep/],
    ["31 MB of empty arrays", () => repeat("[],", 10 * MIB), /values/],
    ["31 MB of zeros in a shape", () => repeat("0,", 15 * MIB), /values/],
    ["31 MB of one string", () => new Uint8Array(31 * MIB).fill(0x61), /not JSON/],
    ["31 MB of quotes", () => new Uint8Array(31 * MIB).fill(0x22), /not JSON/],
  ])("%s", async (_, make, message) => {
    const front = Buffer.from('{"a":');
    const body = make();
    const header = new Uint8Array(front.length + body.length);
    header.set(front);
    header.set(body, front.length);
    expect(await refusal(withHeader(header))).toMatch(message);
  });
  test("21,000 tensors", async () => {
    const entries = Array.from({ length: 21_000 }, (_, i) => `"t${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`);
    expect(await refusal(withHeader(`{${entries.join()}}`))).toMatch(/at most 20000/);
  });
  test("many names of one tensor each other's JSON would hide", async () => {
    const entry = '"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}';
    expect(await refusal(withHeader(`{${new Array(15_000).fill(entry).join()}}`))).toMatch(/names a tensor twice/);
  });
  test.each(["__proto__", "constructor", "prototype", "a.constructor.weight", "toString", "layer.__proto__"])(
    "a tensor called %s",
    async (name) => {
      const entry = `{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`;
      expect(await refusal(withHeader(`{"${name}":${entry}}`, 1))).toMatch(/reserved name/);
    },
  );
  test("metadata called __proto__", async () => {
    expect(await refusal(withHeader('{"__metadata__":{"__proto__":"x"}}'))).toMatch(/reserved name/);
  });
  test("2 MB of metadata", async () => {
    expect(await refusal(withHeader(`{"__metadata__":{"config":"${"[".repeat(2 * MIB)}"}}`))).toMatch(/metadata has/);
  });
  test("a configuration of nested arrays", async () => {
    const config = `${"[".repeat(500_000)}`;
    const bytes = await safetensors(stateOf(DDPM_TINY), "F32", { config });
    await expect(openModelCheckpoint(memorySource(bytes, "file"))).rejects.toThrow(
      /metadata "config" is not|nested more than 16 deep/,
    );
  });
  test.each([
    "[0,9007199254740991]",
    "[0,4294967296]",
    "[2147483647,2147483647,0]",
    "[1,1,1,1,1,1,1,1,0]",
    "[2147483647,2147483647,2147483647]",
  ])("a shape of %s", async (shape) => {
    const message = await refusal(withHeader(`{"a":{"dtype":"U8","shape":${shape},"data_offsets":[0,0]}}`));
    expect(message).toMatch(/tensor a: no network needs the shape/);
  });
  test.each(["[-1]", "[1.5]", "[null]", '["1"]', "{}", "[1e400]", "[[1]]"])("a shape of %s", async (shape) => {
    const message = await refusal(withHeader(`{"a":{"dtype":"U8","shape":${shape},"data_offsets":[0,0]}}`));
    expect(message).toMatch(/not a list of sizes|nested/);
  });
});

describe("a resolution beyond what can be run is refused at once", () => {
  test.each([8192, 46_340, 46_344, 65_536, 2 ** 31, 2 ** 40])("%d", async (resolution) => {
    const bytes = await safetensors(stateOf(DDPM_TINY), "F32", { config: JSON.stringify({ resolution }) });
    const began = performance.now();
    await expect(openModelCheckpoint(memorySource(bytes, "file"))).rejects.toThrow(
      /resolution of \d+ pixels is too large/,
    );
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe("pickles", () => {
  const ascii = (text: string) => [...Buffer.from(text, "latin1")];
  const head = ascii("\x80\x02");
  /** `[["a", None], ...]`, memo 0 */
  const pairs = (n: number) => [...head, ...ascii("]q\0("), ...repeat("U\x01aN\x86", n), ...ascii("e0")];
  const made = (...parts: (readonly number[] | Uint8Array)[]) =>
    new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));

  test.each<[string, () => Uint8Array, RegExp]>([
    [
      "1,000,000 OrderedDicts of one list of 10,000 pairs",
      () => made(pairs(10_000), repeat("ccollections\nOrderedDict\nh\0\x85R0", 1_000_000), ascii("N.")),
      /calls copy \d+ list items/,
    ],
    ["4,500,000 marks", () => made(head, repeat("(", 4_500_000), ascii("N.")), /open marks/],
    ["1,000,000 dicts", () => made(head, repeat("}", 1_000_000), ascii(".")), /more than 200000 containers/],
    ["3,000,000 steps", () => made(head, repeat("N0", 1_500_000), ascii("N.")), /more than 2000000 steps/],
    ["2,000,000 values on the stack", () => made(head, repeat("N", 1_999_990), ascii(".")), /left on the stack/],
    [
      "1,900,000 memo entries",
      () => made(head, ascii("N"), repeat([0x94], 1_900_000), ascii(".")),
      /no state dict|damaged pickle/,
    ],
    ["a memo of 4,000,000,000", () => made(head, ascii("Nr"), [0xff, 0xff, 0xff, 0xee], ascii(".")), /memo \d+, but/],
    [
      "30 MB in one string",
      () => made(head, ascii("T"), u32(30 * MIB), new Uint8Array(30 * MIB).fill(65), ascii(".")),
      /a string of \d+ bytes/,
    ],
    [
      "dicts that all hold each other",
      () => {
        const keys = ["ema", "model_ema", "state_dict", "model", "module", "unet", "net", "params"];
        const cross = keys.flatMap((key) => [...ascii(`U${String.fromCharCode(key.length)}${key}`), ...ascii("h\0")]);
        const fill = Array.from({ length: 300_000 }, (_, i) => i).flatMap((i) => [0x4d, i & 255, (i >> 8) & 255, 0x4e]);
        return made(head, ascii("}q\0("), cross, ascii("u("), fill, ascii("u."));
      },
      /no state dict/,
    ],
  ])("%s", async (_, make, message) => {
    const data = make();
    expect(await refusal(zipped(data))).toMatch(message);
  });

  test("60,000 integers chosen to share one hash are inserted in linear time", () => {
    // LONG1 of 9 bytes: only the upper one differs, and a Map hashes the lower 64 bits of a bigint
    const keys = Array.from({ length: 60_000 }, (_, i) => [
      0x8a,
      12,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      i & 255,
      i >> 8,
      1,
      0,
      0x4e,
    ]);
    const began = performance.now();
    const { value } = unpickle(made(head, ascii("}("), ...keys, ascii("u.")), 0, "file");
    expect((value as Map<unknown, unknown>).size).toBe(60_000);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test("tensors that all share one storage", async () => {
    const n = 50_000;
    const storages = new Map([["0", new Uint8Array(4 * n)]]);
    const view = { tensor: true, key: "0", dtype: "F32", numel: n, offset: 0, shape: [n], stride: [1] } as const;
    const object = new Map<string, Py>(Array.from({ length: 2000 }, (_, i) => [`t${i}`, view]));
    expect(await refusal(torchZip({ object, storages }))).toMatch(/add up to \d+ bytes/);
    expect(await refusal(torchLegacy({ object, storages }))).toMatch(/add up to \d+ bytes/);
  });

  test.each<[number[], number[]]>([
    [
      [0, 2 ** 53 - 1],
      [1, 1],
    ],
    [
      [0, 2 ** 31],
      [1, 1],
    ],
    [
      [2 ** 31 - 1, 2 ** 31 - 1, 0],
      [0, 0, 0],
    ],
  ])("a tensor of shape [%s]", async (shape, stride) => {
    const storages = new Map([["0", new Uint8Array(4)]]);
    const view = { tensor: true, key: "0", dtype: "F32", numel: 1, offset: 0, shape, stride } as const;
    const file = { object: new Map<string, Py>([["a", view]]), storages };
    expect(await refusal(torchZip(file))).toMatch(/no network needs the shape/);
    expect(await refusal(torchLegacy(file))).toMatch(/no network needs the shape/);
  });

  test("a tensor called __proto__", async () => {
    const file = stateFile(new Map([["__proto__", { shape: [1], values: Float32Array.of(1) }]]));
    expect(await refusal(torchZip(file))).toMatch(/reserved name/);
    expect(await refusal(torchLegacy(file))).toMatch(/reserved name/);
  });
  test("keys that are numbers, as optimizers have them, are kept", () => {
    const { value } = unpickle(made(head, ascii("}(K\x01NK\x02Nu.")), 0, "file");
    expect((value as Map<unknown, unknown>).size).toBe(2);
    expect(unpickle(pickle(new Map<string, Py>([["a", 1]])), 0, "file").value).toEqual(new Map([["a", 1]]));
  });
});

test.runIf(process.platform === "linux")("a pipe without a writer is refused, not waited for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hostile-"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  await expect(fileSource(join(folder, "pipe"))).rejects.toThrow(/not a regular file/);
  await expect(fileSource("/dev/zero")).rejects.toThrow(/not a regular file/);
  rmSync(folder, { recursive: true });
});

describe("zips", () => {
  test("10,100 records", async () => {
    const records = new Map(Array.from({ length: 10_100 }, (_, i) => [`archive/data/${i}`, new Uint8Array(0)]));
    records.set("archive/data.pkl", pickle(new Map()));
    expect(await refusal(zip(records))).toMatch(/more than 10000 records/);
  });
  test("records that overlap", async () => {
    const bytes = Buffer.from(torchZip(stateFile(new Map([["a", { shape: [64], values: new Float32Array(64) }]]))));
    const first = bytes.indexOf("PK\x01\x02", 0, "latin1");
    const second = bytes.indexOf("PK\x01\x02", first + 1, "latin1");
    bytes.copy(
      bytes,
      second + 46 + bytes.readUInt16LE(second + 28) + 20,
      first + 46 + bytes.readUInt16LE(first + 28) + 20,
      first + 46 + bytes.readUInt16LE(first + 28) + 28,
    );
    expect(await refusal(new Uint8Array(bytes))).toMatch(/overlap/);
  });
});

describe("indexes", () => {
  const index = (map: unknown) => new TextEncoder().encode(JSON.stringify({ metadata: {}, weight_map: map }));
  const folder = (bytes: Uint8Array): ByteSource => ({
    ...memorySource(bytes, "m.safetensors.index.json"),
    sibling: async () => folder(bytes),
  });
  test("an index that names itself", async () => {
    expect(await refusal(folder(index({ a: "m.safetensors.index.json" })))).toMatch(/another index/);
  });
  test("an index with a reserved name", async () => {
    expect(await refusal(folder(new TextEncoder().encode('{"weight_map":{"__proto__":"a"}}')))).toMatch(
      /reserved name/,
    );
  });
  test("30 MB of nested arrays", async () => {
    const bytes = new Uint8Array(30 * MIB).fill(0x5b);
    bytes.set(new TextEncoder().encode('{"weight_map":'));
    expect(await refusal(folder(bytes))).toMatch(/nested more than 3 deep/);
  });
});

function u32(value: number): number[] {
  return [...new Uint8Array(Uint32Array.of(value).buffer)];
}
