// The small core of zip.js: its directory reader without workers, codecs and WebAssembly.
import { type FileEntry, Reader, ZipReader } from "@zip.js/zip.js/lib/zip-core-custom.js";
import { UserError } from "../../errors";
import { checkName } from "./container";
import { type ByteSource, checkRange, isAbort, message } from "./source";

/** One stored record of a zip archive. */
export interface ZipRecord {
  readonly name: string;
  /** Where its local header starts. */
  readonly header: number;
  readonly size: number;
  readonly crc32: number;
  /** Kept as it is, neither compressed nor encrypted. */
  readonly stored: boolean;
}

/** Records beyond this many are no checkpoint; torch writes one for each storage. */
const MAX_RECORDS = 200_000;

/** The most bytes the directory may ask for at once: 566 tensors need 60 KB. */
const MAX_READ = 32 * 2 ** 20;

/** Read at once from the file's end: the directories of the paper's models are smaller. */
const TAIL_BYTES = 128 * 1024;

class SourceReader extends Reader<ByteSource> {
  #tail: Promise<Uint8Array> | undefined;

  constructor(
    readonly source: ByteSource,
    readonly signal: AbortSignal | undefined,
  ) {
    super(source);
    this.size = source.size;
  }

  override async readUint8Array(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.source.size);
    if (end - offset > MAX_READ) throw new UserError(`${this.source.name}: its zip directory claims ${length} bytes`);
    checkRange(this.source, offset, Math.max(0, end - offset));
    const start = Math.max(0, this.source.size - TAIL_BYTES);
    if (offset >= start) {
      this.#tail ??= this.source.read(start, this.source.size - start, this.signal);
      return (await this.#tail).slice(offset - start, end - start);
    }
    return this.source.read(offset, Math.max(0, end - offset), this.signal);
  }
}

/** The central directory (ZIP64 too), read from the end of the file.
 *  @throws UserError when it is missing, which is how a download cut short shows. */
export async function zipDirectory(source: ByteSource, signal?: AbortSignal): Promise<Map<string, ZipRecord>> {
  const records = new Map<string, ZipRecord>();
  try {
    const zip = new ZipReader(new SourceReader(source, signal), { useWebWorkers: false });
    for await (const entry of zip.getEntriesGenerator()) {
      if (entry.directory) continue;
      const { filename, offset, uncompressedSize, compressedSize, crc32 = 0 } = entry as FileEntry;
      checkName(filename, source.name);
      const stored = entry.compressionMethod === 0 && !entry.encrypted && compressedSize === uncompressedSize;
      if (records.has(filename)) throw new UserError(`${source.name}: its zip names "${filename}" twice; refused`);
      if (records.size >= MAX_RECORDS) throw new UserError(`${source.name}: its zip has over ${MAX_RECORDS} records`);
      records.set(filename, { name: filename, header: offset, size: uncompressedSize, crc32, stored });
    }
  } catch (error) {
    if (error instanceof UserError || isAbort(error) || signal?.aborted) throw error;
    throw new UserError(
      `${source.name}: a torch zip whose directory cannot be read (${message(error)}); it is truncated or damaged, download it again`,
    );
  }
  return records;
}

/** Where the bytes of a stored record start: behind its local header, whose extra field pads to 64 bytes and differs
 *  from the directory's.
 *  @throws UserError when the header is not there or the record does not fit the file. */
export async function dataOffset(source: ByteSource, record: ZipRecord, signal?: AbortSignal): Promise<number> {
  checkRange(source, record.header, 30);
  const bytes = await source.read(record.header, 30, signal);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 30);
  if (view.getUint32(0, true) !== 0x04034b50)
    throw new UserError(`${source.name}: no zip record at byte ${record.header}; damaged, download it again`);
  if (view.getUint16(8, true) !== 0)
    throw new UserError(`${source.name}: "${record.name}" is compressed; re-save with torch.save`);
  const start = record.header + 30 + view.getUint16(26, true) + view.getUint16(28, true);
  checkRange(source, start, record.size);
  return start;
}
