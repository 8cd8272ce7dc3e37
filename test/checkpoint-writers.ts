import { toHalf } from "../src/half";
import { crc32 } from "../src/model/checkpoint/crc32";
import { DTYPE_BYTES, type DType } from "../src/model/checkpoint/dtype";
import { writeSafetensors } from "../src/model/checkpoint/safetensors-writer";

/** Our own tiny torch.save: enough of pickle and zip to make every kind of file the reader must open or refuse. */

export class Bytes {
  #parts: Uint8Array[] = [];
  length = 0;
  add(...parts: (Uint8Array | readonly number[] | string)[]): this {
    for (const part of parts) {
      const bytes = typeof part === "string" ? new TextEncoder().encode(part) : Uint8Array.from(part);
      this.#parts.push(bytes);
      this.length += bytes.length;
    }
    return this;
  }
  u16 = (v: number) => this.add([v & 255, (v >> 8) & 255]);
  u32 = (v: number) => this.add(new Uint8Array(Uint32Array.of(v).buffer));
  u64 = (v: number | bigint) => this.add(new Uint8Array(BigUint64Array.of(BigInt(v)).buffer));
  done(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

const storageNames: Partial<Record<DType, string>> = {
  F32: "FloatStorage",
  F16: "HalfStorage",
  BF16: "BFloat16Storage",
  F64: "DoubleStorage",
  I64: "LongStorage",
  I16: "ShortStorage",
  I8: "CharStorage",
};

/** A tensor to pickle: a view on a named storage. */
export interface PyTensor {
  readonly tensor: true;
  readonly key: string;
  readonly dtype: DType;
  readonly numel: number;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly parameter?: boolean;
}

export type Py =
  | null
  | boolean
  | number
  | string
  | readonly Py[]
  | Map<string, Py>
  | PyTensor
  | { readonly raw: readonly number[] };

/** Protocol 2, without memo. `legacy` adds the sixth field of a legacy persistent id. */
export function pickle(value: Py, legacy = false): Uint8Array<ArrayBuffer> {
  const out = new Bytes().add([0x80, 2]);
  put(out, value, legacy);
  return out.add(".").done();
}

const text = (out: Bytes, s: string) => {
  const bytes = new TextEncoder().encode(s);
  out.add("X").u32(bytes.length).add(bytes);
};

const integer = (out: Bytes, v: number) => (v < 2 ** 31 ? out.add("J").u32(v) : out.add([0x8a, 8]).u64(v));

const tuple = (out: Bytes, items: readonly number[]) => {
  out.add("(");
  for (const item of items) integer(out, item);
  out.add("t");
};

const ordered = (out: Bytes) => out.add("ccollections\nOrderedDict\n)R");

function put(out: Bytes, value: Py, legacy: boolean): void {
  if (value === null) out.add("N");
  else if (typeof value === "boolean") out.add([value ? 0x88 : 0x89]);
  else if (typeof value === "number") Number.isInteger(value) ? integer(out, value) : out.add("G", doubleBytes(value));
  else if (typeof value === "string") text(out, value);
  else if (value instanceof Map) {
    ordered(out).add("(");
    for (const [key, item] of value) {
      text(out, key);
      put(out, item, legacy);
    }
    out.add("u");
  } else if (Array.isArray(value)) {
    out.add("](");
    for (const item of value as readonly Py[]) put(out, item, legacy);
    out.add("e");
  } else if ("raw" in value) out.add(value.raw);
  else putTensor(out, value as PyTensor, legacy);
}

const doubleBytes = (v: number) => new Uint8Array(Float64Array.of(v).buffer).reverse();

function putTensor(out: Bytes, t: PyTensor, legacy: boolean): void {
  if (t.parameter) out.add("ctorch._utils\n_rebuild_parameter\n(");
  out.add("ctorch._utils\n_rebuild_tensor_v2\n((");
  text(out, "storage");
  out.add(`ctorch\n${storageNames[t.dtype]}\n`);
  text(out, t.key);
  text(out, "cpu");
  integer(out, t.numel);
  if (legacy) out.add("N");
  out.add("tQ");
  integer(out, t.offset);
  tuple(out, t.shape);
  tuple(out, t.stride);
  out.add([0x89]);
  ordered(out).add("tR");
  if (t.parameter) {
    out.add([0x88]);
    ordered(out).add("tR");
  }
}

/** A zip of stored records as torch writes it: ZIP64 end records, contents on multiples of 64 bytes. */
export function zip(records: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const out = new Bytes();
  const directory = new Bytes();
  for (const [name, content] of records) {
    const header = out.length;
    const crc = crc32(content);
    const length = new TextEncoder().encode(name).length;
    const pad = (64 - ((header + 30 + length + 4) % 64)) % 64;
    out.add("PK\x03\x04").u16(45).u16(0x800).u16(0).u32(0).u32(crc).u32(content.length).u32(content.length);
    out
      .u16(length)
      .u16(4 + pad)
      .add(name)
      .add("FB")
      .u16(pad)
      .add(new Array(pad).fill(0x5a))
      .add(content);
    directory.add("PK\x01\x02").u16(0).u16(45).u16(0x800).u16(0).u32(0).u32(crc);
    directory.u32(0xffffffff).u32(0xffffffff).u16(length).u16(28).u16(0).u16(0).u16(0).u32(0).u32(0xffffffff);
    directory.add(name).u16(1).u16(24).u64(content.length).u64(content.length).u64(header);
  }
  const start = out.length;
  out.add(directory.done());
  const end = out.length;
  out.add("PK\x06\x06").u64(44).u16(45).u16(45).u32(0).u32(0).u64(records.size).u64(records.size);
  out.u64(directory.length).u64(start).add("PK\x06\x07").u32(0).u64(end).u32(1);
  out.add("PK\x05\x06").u16(0).u16(0).u16(0xffff).u16(0xffff).u32(0xffffffff).u32(0xffffffff).u16(0);
  return out.done();
}

export interface TorchFile {
  /** The object; its tensors name storages. */
  readonly object: Py;
  /** key -> raw little-endian bytes */
  readonly storages: ReadonlyMap<string, Uint8Array>;
}

export function torchZip(
  { object, storages }: TorchFile,
  extra: Readonly<Record<string, string>> = {},
  root = "archive",
) {
  const records = new Map<string, Uint8Array>([[`${root}/data.pkl`, pickle(object)]]);
  for (const [name, content] of Object.entries(extra))
    records.set(`${root}/${name}`, new TextEncoder().encode(content));
  for (const [key, bytes] of storages) records.set(`${root}/data/${key}`, bytes);
  records.set(`${root}/version`, new TextEncoder().encode("3\n"));
  return zip(records);
}

const MAGIC = { raw: [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19] };

export function torchLegacy({ object, storages }: TorchFile, dtype: DType = "F32", littleEndian = true) {
  const out = new Bytes().add(pickle(MAGIC), pickle(1001));
  out.add(
    pickle(
      new Map<string, Py>([
        ["protocol_version", 1001],
        ["little_endian", littleEndian],
        ["type_sizes", new Map()],
      ]),
    ),
  );
  out.add(pickle(object, true), pickle([...storages.keys()]));
  for (const bytes of storages.values()) out.u64(bytes.length / DTYPE_BYTES[dtype]).add(bytes);
  return out.done();
}

/** Named f32 tensors with their shapes: a little state dict. */
export type State = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;

export const rowMajor = (shape: readonly number[]) =>
  shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));

export const u8 = (view: ArrayBufferView) =>
  new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);

/** f32 values as the bytes of another element type (bf16 truncates). */
export function encode(values: Float32Array, dtype: DType): Uint8Array {
  if (dtype === "F16") return u8(toHalf(values));
  if (dtype === "F64") return u8(Float64Array.from(values));
  if (dtype !== "BF16") return u8(values);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return u8(Uint16Array.from(bits, (b) => b >>> 16));
}

/** One storage a tensor, as torch.save(state_dict) has it. */
export function stateFile(
  state: State,
  options: { dtype?: DType; parameter?: boolean; prefix?: string } = {},
): TorchFile {
  const { dtype = "F32", parameter = false, prefix = "" } = options;
  const object = new Map<string, Py>();
  const storages = new Map<string, Uint8Array>();
  for (const [name, { shape, values }] of state) {
    const key = String(storages.size);
    storages.set(key, encode(values, dtype));
    const view = { key, dtype, numel: values.length, offset: 0, shape, stride: rowMajor(shape) };
    object.set(prefix + name, { tensor: true, ...view, ...(parameter ? { parameter } : {}) });
  }
  return { object, storages };
}

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Bytes();
  for await (const piece of pieces) out.add(piece);
  return out.done();
}

export const safetensors = (state: State, dtype: DType = "F32", metadata: Record<string, string> = {}) =>
  collect(
    writeSafetensors(
      [...state].map(([name, { shape, values }]) => ({ name, dtype, shape, bytes: encode(values, dtype) })),
      metadata,
    ),
  );
