import { openCheckpoint } from "../src/model/checkpoint/checkpoint";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { PickleShort, unpickle } from "../src/model/checkpoint/pickle";
import { memorySource } from "../src/model/checkpoint/source";
import { findStateDict } from "../src/model/checkpoint/state-dict";
import { DDPM_TINY, random, stateOf } from "./checkpoint-models";
import {
  type Py,
  pickle,
  type State,
  safetensors,
  stateFile,
  type TorchFile,
  torchLegacy,
  torchZip,
  u8,
  zip,
} from "./checkpoint-writers";
import type { FuzzTarget, Pick } from "./fuzz-harness";

/** A network of 1.5 KB of weights, small enough to be opened 10,000 times. */
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

/** Opens and reads everything. Checks that every tensor has as many values as its shape says, and no more than the file. */
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
  // a checkpoint may also be opened as a network, which has checks of its own
  if (checkpoint.tensors.has("conv_in.weight")) {
    const model = await openModelCheckpoint(memorySource(bytes, "fuzz"), hints);
    for (const name of model.tensors.keys()) await model.read(name);
  }
  return read;
}

const same = (a: Float32Array, b: Float32Array) => Buffer.compare(u8(a), u8(b)) === 0;

/** Pieces of JSON that a header should not hold. */
const oddValues = [
  ..."-1 0 1 1e308 9007199254740993 9007199254740991 2147483648 null [] {} 1.5 true".split(" "),
  '"x"',
  '"F64"',
  '"BOOL"',
  "[0,9007199254740991]",
  "[4294967296,4294967296,0]",
  "[1,1,1,1,1,1,1,1,1]",
  "[[[[[[]]]]]]",
  '"__proto__":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a"',
  '"constructor"',
  '"__metadata__"',
  `"${"a".repeat(300)}"`,
  '"\\ud800"',
  '"a\\nb"',
];

/** Replaces one number, string, list or member of the JSON header, or nests it. */
function mutateHeader(bytes: Uint8Array, pick: Pick): Uint8Array {
  if (bytes.length < 10) return bytes;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > bytes.length - 8) return bytes;
  const text = Buffer.from(bytes.subarray(8, 8 + length)).toString("latin1");
  const places = [/\d+/g, /\d+/g, /"[^"]*"/g, /\[[^\]]*\]/g, /"[^"]*":\{[^}]*\}/g][pick(5)]!;
  const found = [...text.matchAll(places)];
  const hit = found[pick(Math.max(1, found.length))];
  if (!hit) return bytes;
  const deep = 1 + pick(2000);
  const other = found[pick(found.length)]![0];
  const values = [
    String(pick(1000)),
    other,
    `${hit[0]},${hit[0]}`,
    "[".repeat(deep),
    "[".repeat(deep) + "]".repeat(deep),
  ];
  const value = pick(2) ? oddValues[pick(oddValues.length)]! : values[pick(values.length)]!;
  const changed = text.slice(0, hit.index) + value + text.slice(hit.index + hit[0].length);
  const out = Buffer.concat([new Uint8Array(8), Buffer.from(changed, "latin1"), bytes.subarray(8 + length)]);
  out.writeBigUInt64LE(BigInt(pick(8) ? changed.length : length), 0);
  return new Uint8Array(out);
}

/** Opcodes of pickle, allowed and not. */
const opcodes = [..."(.0}])tlqr\u0094hjX\u008cUTKMJ\u008aGN\u0088\u0089c\u0093Rbsuae Q2iodPIVSp\u0081\u0082"].map((c) =>
  c.charCodeAt(0),
);

/** Sequences that a pickler does not write: calls, memo, marks and integers in excess. */
const sequences = [
  "ccollections\nOrderedDict\nh\0\x85R",
  "h\0h\0\x86",
  "h\x01",
  "(((((",
  "}q\0",
  "](h\0h\0h\0e",
  "\x8a\x10AAAAAAAAAAAAAAAA",
  "\x8a\xff",
  "X\xff\xff\xff\x7f",
  "r\xff\xff\xff\xff0",
  "cos\nsystem\n",
  "c__builtin__\neval\nU\x011\x85R",
  "ctorch._utils\n_rebuild_tensor_v2\n",
  "ctorch\nFloatStorage\n",
  "U\x09__proto__N",
  "G\x7f\xf0\0\0\0\0\0\0",
  "N.",
].map((text) => Buffer.from(text, "latin1"));

/** Changes a pickle that ends at `end`: an opcode, a byte, or sequences put in, up to 20,000 times. */
function mutateOpcodes(bytes: Uint8Array, pick: Pick, end = bytes.length): Uint8Array {
  const out = new Uint8Array(bytes);
  const at = pick(Math.min(end, 3000));
  if (pick(3)) {
    out[at] = pick(3) ? opcodes[pick(opcodes.length)]! : pick(256);
    return out;
  }
  const piece = sequences[pick(sequences.length)]!;
  const times = pick(10) ? 1 + pick(4) : 1 + pick(20_000);
  return new Uint8Array(
    Buffer.concat([out.subarray(0, at), Buffer.alloc(piece.length * times, piece), out.subarray(at)]),
  );
}

const mutatePickle = (bytes: Uint8Array, pick: Pick) => mutateOpcodes(bytes, pick);

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

/** Changes the data.pkl of a zip and writes the zip anew, checksums and all, so that the pickle is read. */
function mutatePickleInZip(bytes: Uint8Array, pick: Pick): Uint8Array {
  const [data, state] = pickles.get(bytes) ?? [];
  if (!data || !state) return bytes;
  const records = new Map([["archive/data.pkl", mutateOpcodes(data, pick)]]);
  for (const [key, storage] of state) records.set(`archive/data/${key}`, storage);
  return zip(records);
}

/** The pickle and the storages of zips that are seeds. */
const pickles = new Map<Uint8Array, readonly [Uint8Array, ReadonlyMap<string, Uint8Array>]>();

function zipOf(file: TorchFile): Uint8Array {
  const made = torchZip(file);
  pickles.set(made, [pickle(file.object), file.storages]);
  return made;
}

const list = (state: State): Py => [
  stateFile(state).object,
  new Map<string, Py>([["lr", 0.5]]),
  3,
  stateFile(state).object,
];

/** Content of the good files, read once. */
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
      // everything in a zip is under a checksum: what opens is what was saved
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
    seeds: () => [zipOf(stateFile(few)), zipOf(stateFile(network)), zipOf({ ...stateFile(few), object: list(few) })],
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
