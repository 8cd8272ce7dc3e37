import { UserError } from "../../errors";
import { checkName, checkReserved, checkShape, isSize, MAX_TENSORS, type Opened, shown } from "./container";
import { DTYPE_BYTES, type DType, isDType } from "./dtype";
import { checkJson } from "./json-limits";
import { MAX_HEADER_BYTES } from "./sniff";
import { type ByteSource, checkRange } from "./source";
import { count, readView, rowMajor } from "./strided";

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Offsets of the first byte and of the end, from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

/** The header, a tensor's entry, and its shape. An entry holds about 15 values. */
const LIMITS = { depth: 3, values: 16 * MAX_TENSORS };

/** Characters of metadata: some of it is JSON, parsed later. */
const MAX_METADATA = 2 ** 20;

/** Reads one entry of the header. @throws UserError naming the tensor */
function parseEntry(name: string, value: unknown, data: number, file: string): Entry {
  checkName(name, file);
  const bad: (why: string) => never = (why) => {
    throw new UserError(`${file}: tensor ${name}: ${why}; the header is damaged, download the file again`);
  };
  if (typeof value !== "object" || value === null) bad("has no description");
  const { dtype, shape, data_offsets: range } = value as Record<string, unknown>;
  if (!isDType(dtype)) bad(`unknown dtype "${shown(String(dtype), 20)}" (F32, F16, BF16 and F64 are read)`);
  if (!Array.isArray(shape) || !shape.every(isSize)) bad("its shape is not a list of sizes");
  checkShape(name, shape, file);
  if (!Array.isArray(range) || range.length !== 2 || !range.every(isSize)) bad("its data_offsets are not two offsets");
  const [begin, end] = range as [number, number];
  const bytes = count(shape) * DTYPE_BYTES[dtype];
  if (!Number.isSafeInteger(bytes) || end - begin !== bytes)
    bad(`${dtype} [${shape.join(", ")}] needs ${bytes} bytes, data_offsets give ${end - begin}`);
  return { name, dtype, shape, begin: data + begin, end: data + end };
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  const sound =
    typeof value === "object" && !Array.isArray(value) && Object.values(value).every((v) => typeof v === "string");
  if (!sound) throw new UserError(`${file}: __metadata__ must map strings to strings; re-save the file`);
  let length = 0;
  for (const [key, text] of Object.entries(value as Record<string, string>)) {
    checkReserved(key, file);
    length += key.length + text.length;
  }
  if (length > MAX_METADATA)
    throw new UserError(`${file}: its metadata has ${length} characters; at most ${MAX_METADATA} are read, re-save it`);
  return { ...(value as Record<string, string>) };
}

/** Parses the header's text. @throws UserError for anything but an object of distinct names */
function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  const members = checkJson(bytes, LIMITS, file);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new UserError(`${file}: its safetensors header is not JSON; damaged, download the file again`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header))
    throw new UserError(`${file}: its safetensors header is not a JSON object; damaged, download the file again`);
  if (members !== Object.keys(header).length)
    throw new UserError(`${file}: its header names a tensor twice; damaged, download it again or re-save it`);
  return header as Record<string, unknown>;
}

/** Reads and checks the header: every range lies inside the file, has the size its shape asks for, and starts where the
 *  previous one ends.
 *  @returns the tensors in file order */
async function readHeader(source: ByteSource, signal?: AbortSignal) {
  const file = source.name;
  checkRange(source, 0, 8);
  const prefix = await source.read(0, 8, signal);
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES)
    throw new UserError(`${file}: its header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are read`);
  checkRange(source, 8, length);
  const { __metadata__, ...tensors } = parseHeader(await source.read(8, length, signal), file);
  const metadata = parseMetadata(__metadata__, file);
  const named = Object.entries(tensors);
  if (named.length > MAX_TENSORS)
    throw new UserError(`${file}: names ${named.length} tensors; at most ${MAX_TENSORS} are read`);
  const entries = named.map(([name, value]) => parseEntry(name, value, 8 + length, file));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 8 + length;
  for (const { name, begin, end } of entries) {
    checkRange(source, begin, end - begin);
    if (begin !== at)
      throw new UserError(
        `${file}: expected tensor ${name} at byte ${at}, got ${begin} (${begin < at ? "overlap" : "gap"}); damaged, download it again`,
      );
    at = end;
  }
  if (at !== source.size)
    throw new UserError(`${file}: has ${source.size} bytes, its tensors end at ${at}; damaged, download it again`);
  return { entries, metadata };
}

/** Opens a safetensors file: reads its header now, and each tensor on request. */
export async function openSafetensors(source: ByteSource, signal?: AbortSignal): Promise<Opened> {
  const { entries, metadata } = await readHeader(source, signal);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  return {
    container: "safetensors",
    tensors: new Map(entries.map(({ name, dtype, shape }) => [name, { dtype, shape }])),
    metadata,
    wrapper: "",
    ignored: [],
    async read(name, signal, into) {
      const entry = byName.get(name);
      if (!entry) throw new UserError(`${source.name}: has no tensor ${name}`);
      const { dtype, shape, begin } = entry;
      const view = { dtype, offset: 0, shape, stride: rowMajor(shape) };
      return readView(view, (offset, length, into) => source.read(begin + offset, length, signal, into), into);
    },
    close: () => source.close?.(),
  };
}
