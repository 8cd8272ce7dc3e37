import { UserError } from "../../errors";
import { checkName, MAX_TENSORS, type Opened, shown } from "./container";
import { DTYPE_BYTES, type DType, isDType } from "./dtype";
import { MAX_HEADER_BYTES } from "./sniff";
import { type ByteSource, checkRange } from "./source";
import { count, readView, rowMajor } from "./strided";

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte and end, counted from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** One tensor of the header, or a UserError that names it. */
function parseEntry(name: string, value: unknown, data: number, file: string): Entry {
  checkName(name, file);
  const bad: (why: string) => never = (why) => {
    throw new UserError(`${file}: tensor ${name}: ${why}; the header is damaged, download the file again`);
  };
  if (typeof value !== "object" || value === null) bad("no description");
  const { dtype, shape, data_offsets: range } = value as Record<string, unknown>;
  if (!isDType(dtype)) bad(`unknown dtype "${shown(String(dtype), 20)}" (F32, F16, BF16 and F64 are read)`);
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every(isSize)) bad("its shape is no list of sizes");
  if (!Array.isArray(range) || range.length !== 2 || !range.every(isSize)) bad("its data_offsets are no two offsets");
  const [begin, end] = range as [number, number];
  const need = count(shape) * DTYPE_BYTES[dtype];
  if (!Number.isSafeInteger(need) || end - begin !== need)
    bad(`${dtype} [${shape.join(", ")}] needs ${need} bytes, data_offsets give ${end - begin}`);
  return { name, dtype, shape, begin: data + begin, end: data + end };
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  const sound =
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === "string");
  if (!sound) throw new UserError(`${file}: __metadata__ must map strings to strings; re-save the file`);
  return { ...(value as Record<string, string>) };
}

/** Members of a JSON object, names that are there twice counted twice: JSON.parse keeps the last without a word. */
function memberCount(json: string): number {
  let depth = 0;
  let members = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/gs)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (token === ":" && depth === 1) members++;
  }
  return members;
}

/** Reads and checks the header: ranges inside the file, of the right size, side by side without gaps or overlap.
 *  @returns the tensors in file order */
async function readHeader(source: ByteSource, signal?: AbortSignal) {
  const file = source.name;
  checkRange(source, 0, 8);
  const prefix = await source.read(0, 8, signal);
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES)
    throw new UserError(`${file}: its header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are read`);
  checkRange(source, 8, length);
  let header: unknown;
  let members = 0;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await source.read(8, length, signal));
    header = JSON.parse(text);
    members = memberCount(text);
  } catch (error) {
    if (error instanceof UserError || signal?.aborted) throw error;
    throw new UserError(`${file}: its safetensors header is not JSON; damaged, download the file again`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header))
    throw new UserError(`${file}: its safetensors header is no JSON object; damaged, download the file again`);
  if (members !== Object.keys(header).length)
    throw new UserError(`${file}: its header names a tensor twice; damaged, download it again or re-save it`);
  const { __metadata__, ...tensors } = header as Record<string, unknown>;
  const metadata = parseMetadata(__metadata__, file);
  const named = Object.entries(tensors);
  if (named.length > MAX_TENSORS)
    throw new UserError(`${file}: names ${named.length} tensors, more than ${MAX_TENSORS}`);
  const entries = named.map(([name, value]) => parseEntry(name, value, 8 + length, file));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 8 + length;
  for (const { name, begin, end } of entries) {
    checkRange(source, begin, end - begin);
    if (begin !== at)
      throw new UserError(
        `${file}: tensor ${name} starts at byte ${begin}, ${at} expected (${begin < at ? "overlap" : "gap"}); damaged, download it again`,
      );
    at = end;
  }
  if (at !== source.size)
    throw new UserError(`${file}: has ${source.size} bytes, its tensors end at ${at}; damaged, download it again`);
  return { entries, metadata };
}

/** Opens a safetensors file: reads its header, and each tensor when asked for. */
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
