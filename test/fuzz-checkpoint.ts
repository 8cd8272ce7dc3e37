import { openCheckpoint } from "../src/model/checkpoint/checkpoint";
import { crc32 } from "../src/model/checkpoint/crc32";
import { openModel } from "../src/model/checkpoint/model";
import { PickleShort, unpickle } from "../src/model/checkpoint/pickle";
import { memorySource } from "../src/model/checkpoint/source";
import { findStateDict } from "../src/model/checkpoint/state-dict";
import { DDPM_TINY, random, stateOf } from "./checkpoint-models";
import { type Py, pickle, type State, safetensors, stateFile, torchLegacy, torchZip, u8 } from "./checkpoint-writers";
import type { FuzzTarget, Pick } from "./fuzz-harness";

/** A network small enough to be opened 10,000 times: 1.5 KB of weights. */
const network = stateOf({ ...DDPM_TINY, channels: 1, channelMult: [1], attention: [] });

/** Six tensors, one of each kind of shape. */
const next = random(7);
const few: State = new Map(
  [[], [3], [2, 5], [4, 1, 3, 3], [0], [7]].map((shape, i) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next);
    return [`module.layer.${i}.weight`, { shape, values }];
  }),
);

const hints = { resolution: 16 };

/** Opens and reads everything; every tensor has as many values as its shape says, and no more than the file holds. */
async function readAll(bytes: Uint8Array): Promise<Map<string, Float32Array>> {
  const read = new Map<string, Float32Array>();
  const checkpoint = await openCheckpoint(memorySource(bytes, "fuzz"));
  let total = 0;
  for (const [name, { shape }] of checkpoint.tensors) {
    const values = await checkpoint.read(name);
    if (values.length !== shape.reduce((a, b) => a * b, 1)) throw new Error(`${name}: ${values.length} values`);
    if ((total += values.length) > 1000 * bytes.length) throw new Error(`${total} values from ${bytes.length} bytes`);
    read.set(name, values);
  }
  // What opens as a checkpoint may also be asked to be a network: a second set of checks.
  if (checkpoint.tensors.has("conv_in.weight")) {
    const model = await openModel(memorySource(bytes, "fuzz"), hints);
    for (const name of model.tensors.keys()) await model.read(name);
  }
  return read;
}

const same = (a: Float32Array, b: Float32Array) => Buffer.compare(u8(a), u8(b)) === 0;

/** Replaces one number of the JSON header. */
function mutateHeader(bytes: Uint8Array, pick: Pick): Uint8Array {
  if (bytes.length < 10) return bytes;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > bytes.length - 8) return bytes;
  const text = Buffer.from(bytes.subarray(8, 8 + length)).toString("latin1");
  const values = ["-1", "0", "1", "1e308", "9007199254740993", "null", '"x"', "[]", "{}", "1.5", String(pick(1000))];
  const numbers = [...text.matchAll(pick(4) ? /\d+/g : /"[^"]*"|\[[^\]]*\]/g)];
  const hit = numbers[pick(Math.max(1, numbers.length))];
  if (!hit) return bytes;
  const changed = text.slice(0, hit.index) + values[pick(values.length)] + text.slice(hit.index + hit[0].length);
  const out = Buffer.concat([new Uint8Array(8), Buffer.from(changed, "latin1"), bytes.subarray(8 + length)]);
  out.writeBigUInt64LE(BigInt(pick(8) ? changed.length : length), 0);
  return new Uint8Array(out);
}

/** Opcodes of pickle, allowed and not, put anywhere. */
const opcodes = [..."(.0}])tlqr\u0094hjX\u008cUTKMJ\u008aGN\u0088\u0089c\u0093Rbsuae Q2iodPIVSp\u0081\u0082"].map((c) =>
  c.charCodeAt(0),
);

function mutatePickle(bytes: Uint8Array, pick: Pick): Uint8Array {
  const out = bytes.slice();
  out[pick(Math.min(out.length, 3000))] = opcodes[pick(opcodes.length)]!;
  return out;
}

/** Sets a field of a zip header, with the magic as landmark. */
function mutateZip(bytes: Uint8Array, pick: Pick): Uint8Array {
  const buffer = Buffer.from(bytes);
  const magic = ["PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "PK\x06\x06", "PK\x06\x07"][pick(5)]!;
  const places: number[] = [];
  for (let at = buffer.indexOf(magic, 0, "latin1"); at >= 0; at = buffer.indexOf(magic, at + 1, "latin1"))
    places.push(at);
  const place = places[pick(Math.max(1, places.length))];
  if (place === undefined) return bytes;
  const at = Math.min(bytes.length - 8, place + 4 + pick(60));
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const width = pick(4);
  if (width < 2) view.setUint16(at, pick(65536), true);
  else if (width === 2) view.setUint32(at, [0, 1, 0xffffffff, pick(2 ** 20)][pick(4)]!, true);
  else view.setBigUint64(at, [0n, 2n ** 40n, 2n ** 63n, BigInt(bytes.length)][pick(4)]!, true);
  return new Uint8Array(buffer);
}

/** Changes a zip's data.pkl and makes its CRC right again, so that the pickle is read. */
function mutatePickleInZip(bytes: Uint8Array, pick: Pick): Uint8Array {
  const out = Buffer.from(bytes);
  const name = out.indexOf("archive/data.pkl", 0, "latin1");
  if (name < 30) return bytes;
  const start = name + 16 + out.readUInt16LE(name - 2);
  const end = start + out.readUInt32LE(name - 12);
  const entry = out.lastIndexOf("archive/data.pkl", undefined, "latin1");
  if (end > out.length || entry - 46 < 0 || end <= start) return bytes;
  for (let n = 1 + pick(3); n > 0; n--)
    out[start + pick(end - start)] = pick(2) ? opcodes[pick(opcodes.length)]! : pick(256);
  const crc = crc32(out.subarray(start, end));
  out.writeUInt32LE(crc, name - 16);
  out.writeUInt32LE(crc, entry - 46 + 16);
  return new Uint8Array(out);
}

const list = (state: State): Py => [
  stateFile(state).object,
  new Map<string, Py>([["lr", 0.5]]),
  3,
  stateFile(state).object,
];

/** What the good files hold, read once. */
const good = new Map<Uint8Array, Map<string, Float32Array>>();

export const checkpointTargets: readonly FuzzTarget[] = [
  {
    name: "safetensors",
    share: 0.75,
    seeds: async () => [
      await safetensors(few, "F32", { format: "pt" }),
      await safetensors(network),
      await safetensors(few, "F16"),
    ],
    mutate: mutateHeader,
    async run(bytes, original) {
      const found = await readAll(bytes);
      const header = 8 + Number(new DataView(original.buffer, original.byteOffset, 8).getBigUint64(0, true));
      const front = Buffer.compare(bytes.subarray(0, header), original.subarray(0, header)) === 0;
      if (!front) return;
      const names = (await openCheckpoint(memorySource(original))).tensors;
      if ([...names.keys()].join() !== [...found.keys()].join()) throw new Error("the same header gives other tensors");
    },
  },
  {
    name: "torch-zip",
    share: 4,
    seeds: () => [
      torchZip(stateFile(few)),
      torchZip(stateFile(network)),
      torchZip({ ...stateFile(few), object: list(few) }),
    ],
    mutate: mutateZip,
    async run(bytes, original) {
      const found = await readAll(bytes);
      // Everything a zip holds is under a checksum: what opens is what was saved.
      const wanted = good.get(original) ?? (await readAll(original));
      good.set(original, wanted);
      for (const [name, values] of found)
        if (!wanted.has(name) || !same(values, wanted.get(name)!)) throw new Error(`${name} is not what was saved`);
      if (found.size !== wanted.size) throw new Error(`${found.size} tensors of ${wanted.size}`);
    },
  },
  {
    name: "torch-zip-pickle",
    share: 1.5,
    seeds: () => [torchZip(stateFile(few)), torchZip({ ...stateFile(few), object: list(few) })],
    mutate: mutatePickleInZip,
    run: async (bytes) => void (await readAll(bytes)),
  },
  {
    name: "torch-legacy",
    share: 1.5,
    seeds: () => [
      torchLegacy(stateFile(few)),
      torchLegacy(stateFile(network)),
      torchLegacy({ ...stateFile(few), object: list(few) }),
    ],
    mutate: mutatePickle,
    run: async (bytes) => void (await readAll(bytes)),
  },
  {
    name: "pickle",
    share: 0.75,
    seeds: () => [
      pickle(stateFile(few).object),
      pickle(list(few)),
      pickle(new Map<string, Py>([["state_dict", stateFile(few).object]])),
    ],
    mutate: mutatePickle,
    async run(bytes) {
      try {
        findStateDict(unpickle(bytes, 0, "fuzz").value, "fuzz", true);
      } catch (error) {
        if (!(error instanceof PickleShort)) throw error;
      }
    },
  },
];
