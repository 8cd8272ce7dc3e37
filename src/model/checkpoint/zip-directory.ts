// The core of zip.js: its directory reader, without workers, codecs and WebAssembly.
import { type FileEntry, Reader, ZipReader } from "@zip.js/zip.js/lib/zip-core-custom.js";
import { UserError } from "../../errors";
import { checkName } from "./container";
import { type ByteSource, checkRange, isAbort, message } from "./source";

/** One stored record of a zip archive. */
export interface ZipRecord {
  readonly name: string;
  /** Offset of its local header. */
  readonly header: number;
  readonly size: number;
  readonly crc32: number;
  /** Neither compressed nor encrypted. */
  readonly stored: boolean;
}

/** Records a zip may have: torch writes one for each storage and a few more, and reading one takes 50 microseconds. */
const MAX_RECORDS = 10_000;

/** Largest read of the directory: 566 tensors need 60 KB. */
const MAX_READ = 32 * 2 ** 20;

/** Bytes before the name of a local header. */
const LOCAL_HEADER = 30;

/** Read at once from the end of the file: more than the directories of the paper's models. */
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

/** Reads the central directory (ZIP64 too) from the end of the file. Records may not overlap, so that reading all of them
 *  is linear in the size of the file.
 *  @throws UserError when the directory is missing, as in a download cut short, or not sound */
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
      if (records.size >= MAX_RECORDS)
        throw new UserError(`${source.name}: its zip has more than ${MAX_RECORDS} records; re-save only the tensors`);
      records.set(filename, { name: filename, header: offset, size: uncompressedSize, crc32, stored });
    }
  } catch (error) {
    if (error instanceof UserError || isAbort(error) || signal?.aborted) throw error;
    throw new UserError(
      `${source.name}: a torch zip whose directory cannot be read (${message(error)}); it is truncated or damaged, download it again`,
    );
  }
  checkOverlap(records.values(), source);
  return records;
}

/** @throws UserError unless every stored record ends before the next one begins, and inside the file */
function checkOverlap(records: Iterable<ZipRecord>, source: ByteSource): void {
  let end = 0;
  let last = "";
  for (const { name, header, size, stored } of [...records].sort((a, b) => a.header - b.header)) {
    if (header < end)
      throw new UserError(
        `${source.name}: its zip records "${last}" and "${name}" overlap; refused, download it again`,
      );
    const length = LOCAL_HEADER + (stored ? size : 0);
    checkRange(source, header, length);
    end = header + length;
    last = name;
  }
}

/** Offset of the bytes of a stored record. They follow its local header, whose extra field pads to 64 bytes and differs
 *  from the directory's.
 *  @throws UserError when the header is missing or the record does not fit the file */
export async function dataOffset(source: ByteSource, record: ZipRecord, signal?: AbortSignal): Promise<number> {
  checkRange(source, record.header, LOCAL_HEADER);
  const bytes = await source.read(record.header, LOCAL_HEADER, signal);
  const view = new DataView(bytes.buffer, bytes.byteOffset, LOCAL_HEADER);
  if (view.getUint32(0, true) !== 0x04034b50)
    throw new UserError(`${source.name}: no zip record at byte ${record.header}; damaged, download it again`);
  if (view.getUint16(8, true) !== 0)
    throw new UserError(`${source.name}: "${record.name}" is compressed; re-save with torch.save`);
  const start = record.header + LOCAL_HEADER + view.getUint16(26, true) + view.getUint16(28, true);
  checkRange(source, start, record.size);
  return start;
}
