import { UserError } from "../../errors";
import { fromHalf } from "../../half";
import { checkName, checkShape, MAX_TENSORS, type Opened, shown } from "./container";
import { DTYPE_BYTES, type DType, decode } from "./dtype";
import { checkJson } from "./json-limits";
import { type ByteSource, checkRange, room, type Scratch } from "./source";
import { count } from "./strided";
import type { TfGraph } from "./tfjs-graph";

/** A tensor's place in the bytes of all shards, joined. */
interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  /** as stored */
  readonly dtype: DType;
  readonly begin: number;
  readonly bytes: number;
  /** value = q scale + min */
  readonly affine: { readonly scale: number; readonly min: number } | undefined;
  readonly quantised: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const STORED: Readonly<Record<string, DType>> = {
  float32: "F32",
  int32: "I32",
  bool: "BOOL",
  uint8: "U8",
  uint16: "U16",
  float16: "F16",
};

/** The graph of a model of this kind has some thousand nodes of a few attributes each. */
const LIMITS = { depth: 32, values: 2_000_000 };
const MAX_JSON_BYTES = 32 * 2 ** 20;
const MAX_SHARDS = 1000;

const object = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;

/** Opens a TF.js graph model: `model.json` and the shards beside it. Quantised weights come out as the f32 they stand for.
 *  @throws UserError for layers models, and for shards that are missing or of another size */
export async function openTfjs(source: ByteSource, signal?: AbortSignal): Promise<Opened> {
  const file = source.name;
  if (source.size > MAX_JSON_BYTES)
    throw new UserError(`${file}: has ${source.size} bytes; a model.json of at most ${MAX_JSON_BYTES} is read`);
  const text = await source.read(0, source.size, signal);
  checkJson(text, LIMITS, file);
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch {
    throw new UserError(`${file}: is not whole JSON; download it again`);
  }
  const json = object(parsed) ?? {};
  if (json.format !== "graph-model")
    throw new UserError(
      `${file}: is a TF.js ${shown(String(json.format ?? "file without a format"), 40)}; expected a graph-model (tensorflowjs_converter --output_format=tfjs_graph_model)`,
    );
  const manifest = Array.isArray(json.weightsManifest) ? json.weightsManifest : [];
  const [group] = manifest.map(object);
  if (!group || manifest.length !== 1)
    throw new UserError(`${file}: has ${manifest.length} groups of weights; expected 1`);
  const paths = group.paths;
  if (
    !Array.isArray(paths) ||
    paths.length < 1 ||
    paths.length > MAX_SHARDS ||
    !paths.every((p) => typeof p === "string")
  )
    throw new UserError(`${file}: its list of shards is none; expected 1 to ${MAX_SHARDS} file names`);
  const entries = readEntries(Array.isArray(group.weights) ? group.weights : [], file);
  const last = entries.at(-1);
  const joined = new Shards(source, paths, last ? last.begin + last.bytes : 0);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const quantised = entries.filter((entry) => entry.quantised).length;
  return {
    container: "tfjs",
    tensors: new Map(entries.map(({ name, shape, affine, dtype }) => [name, { shape, dtype: affine ? "F32" : dtype }])),
    metadata: {},
    wrapper: `${paths.length} shards${quantised > 0 ? `, ${quantised} tensors quantised` : ""}`,
    ignored: [],
    graph: graphOf(json, file),
    async read(name, signal, into) {
      const entry = byName.get(name);
      if (!entry) throw new UserError(`${file}: has no tensor ${name}`);
      return values(entry, await joined.read(entry.begin, entry.bytes, signal), into);
    },
    close: () => joined.close(),
  };
}

function readEntries(weights: readonly unknown[], file: string): Entry[] {
  if (weights.length > MAX_TENSORS)
    throw new UserError(`${file}: names ${weights.length} tensors; at most ${MAX_TENSORS} are read`);
  let begin = 0;
  const names = new Set<string>();
  return weights.map((value) => {
    const { name, shape, dtype, quantization } = object(value) ?? {};
    const wrong = (what: string): never => {
      throw new UserError(`${file}: weight ${shown(String(name), 60)}: ${what}; download it again`);
    };
    if (typeof name !== "string") return wrong("has no name");
    checkName(name, file);
    if (names.has(name)) wrong("is named twice");
    names.add(name);
    if (!Array.isArray(shape) || !shape.every((d) => Number.isSafeInteger(d) && d >= 0)) return wrong("has no shape");
    checkShape(name, shape, file);
    const q = object(quantization);
    const stored = STORED[String(q?.dtype ?? dtype)];
    if (!stored) return wrong(`is ${shown(String(q?.dtype ?? dtype), 20)}, which is not read`);
    const { scale, min } = q ?? {};
    const linear =
      typeof scale === "number" && typeof min === "number" && Number.isFinite(scale) && Number.isFinite(min);
    if (q && stored !== "F16" && !linear) wrong("has a quantisation without scale and min");
    const bytes = count(shape) * DTYPE_BYTES[stored];
    const entry = {
      name,
      shape,
      dtype: stored,
      begin,
      bytes,
      affine: q && stored !== "F16" ? { scale: scale as number, min: min as number } : undefined,
      quantised: q !== undefined,
    };
    begin += bytes;
    return entry;
  });
}

/** Values as TF.js makes them: q scale + min in f64, rounded to f32. */
function values({ dtype, affine }: Entry, bytes: Uint8Array<ArrayBuffer>, into?: Scratch): Float32Array<ArrayBuffer> {
  if (!affine) return dtype === "F16" ? fromHalf(aligned16(bytes)) : decode(bytes, dtype);
  const stored = dtype === "U16" ? aligned16(bytes) : bytes;
  const n = stored.length;
  const memory = room(4 * n, into);
  const out = memory.byteOffset % 4 === 0 ? new Float32Array(memory.buffer, memory.byteOffset, n) : new Float32Array(n);
  for (let i = 0; i < n; i++) out[i] = stored[i]! * affine.scale + affine.min;
  return out;
}

const aligned16 = (bytes: Uint8Array<ArrayBuffer>): Uint16Array<ArrayBuffer> => new Uint16Array(bytes.slice().buffer);

function graphOf(json: Json, file: string): TfGraph {
  const nodes = object(json.modelTopology)?.node;
  if (!Array.isArray(nodes)) throw new UserError(`${file}: holds no graph (modelTopology); download it again`);
  const signature = Object.values(object(object(json.signature)?.inputs) ?? {});
  return {
    nodes: nodes.map((value) => {
      const { name, op, input = [], attr = {} } = object(value) ?? {};
      const inputs = Array.isArray(input) ? input.map(String) : [];
      return { name: String(name), op: String(op), input: inputs, attr: object(attr) ?? {} };
    }),
    inputs: signature.map((value) => {
      const dim = object(object(value)?.tensorShape)?.dim;
      return Array.isArray(dim) ? dim.map((d) => Number(object(d)?.size)) : [];
    }),
  };
}

/** The bytes of all shards, one after the other. TF.js cuts them into equal parts but for the last; each is opened when it
 *  is first read, and the one before it closed, so that reading in order holds one. */
class Shards {
  #size: number | undefined;
  #open: { readonly index: number; readonly source: ByteSource } | undefined;

  constructor(
    readonly source: ByteSource,
    readonly paths: readonly string[],
    readonly bytes: number,
  ) {}

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const size = await this.#sizeOfShards(signal); // before memory is taken for what a file claims
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const index = Math.floor((offset + at) / size);
      const shard = await this.#shard(index, signal);
      const from = offset + at - index * size;
      const part = Math.min(length - at, shard.size - from);
      checkRange(shard, from, part);
      out.set(await shard.read(from, part, signal), at);
      at += part;
    }
    this.source.report?.(offset + length, this.bytes);
    return out;
  }

  /** @throws UserError unless the shards, of the size of the first, hold all the weights */
  async #sizeOfShards(signal?: AbortSignal): Promise<number> {
    if (this.#size !== undefined) return this.#size;
    const { size } = await this.#opened(0, signal);
    const needed = size > 0 ? Math.ceil(this.bytes / size) : Number.POSITIVE_INFINITY;
    if (needed !== this.paths.length)
      throw new UserError(
        `${this.source.name}: its weights have ${this.bytes} bytes, which is not ${this.paths.length} shards of ${size}; download them again`,
      );
    this.#size = size;
    return size;
  }

  async #shard(index: number, signal?: AbortSignal): Promise<ByteSource> {
    const shard = await this.#opened(index, signal);
    const size = this.#size!;
    const expected = index === this.paths.length - 1 ? this.bytes - index * size : size;
    if (shard.size !== expected)
      throw new UserError(`${shard.name}: has ${shard.size} bytes, expected ${expected}; download it again`);
    return shard;
  }

  async #opened(index: number, signal?: AbortSignal): Promise<ByteSource> {
    if (this.#open?.index === index) return this.#open.source;
    this.#open?.source.close?.();
    this.#open = undefined;
    const name = this.paths[index]!;
    const found = await this.source.sibling?.(name, signal);
    if (!found)
      throw new UserError(
        `${this.source.name}: its shard ${shown(name, 60)} is not beside it; ${this.source.sibling ? "download it too" : "give the path or URL of model.json, or drop it with its shards"}`,
      );
    this.#open = { index, source: found };
    return found;
  }

  close(): void {
    this.#open?.source.close?.();
    this.#open = undefined;
    this.source.close?.();
  }
}
