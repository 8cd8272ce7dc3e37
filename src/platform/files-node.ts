import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../errors";

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "is a folder, expected a file",
  EACCES: "may not be read (permission denied)",
  EPERM: "may not be read (permission denied)",
  ENOTDIR: "no such file (part of its path is not a folder)",
  ENAMETOOLONG: "no such file (the name is too long)",
};

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

const tooLarge = (file: string, size: number, most: number) =>
  new UserError(`${file}: has ${size} bytes or more; at most ${most} are read`);

/** Reads all bytes of a file, or of a pipe to its end.
 *  @param most bytes the file may have
 *  @throws UserError when it is missing, a folder, not readable, empty or too large */
export async function readWhole(file: string, expected = "a file", most = 2 ** 31): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const handle = await open(file);
    try {
      bytes = await readAll(handle, file, most);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file}: ${reasons[codeOf(error)] ?? `could not be read (${codeOf(error)})`}`);
  }
  if (bytes.length === 0) throw new UserError(`${file}: is empty (0 bytes), expected ${expected}`);
  return bytes;
}

/** Reads until the end, whatever size the file system states: pipes and devices state none. */
async function readAll(handle: FileHandle, file: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const { size } = await handle.stat();
  if (size > most) throw tooLarge(file, size, most);
  let bytes = new Uint8Array(size + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(bytes, length, Math.min(bytes.length - length, 2 ** 24));
    if (bytesRead === 0) return bytes.subarray(0, length);
    length += bytesRead;
    if (length > most) throw tooLarge(file, length, most);
    if (length === bytes.length) {
      const larger = new Uint8Array(Math.max(2 ** 16, 2 * length));
      larger.set(bytes);
      bytes = larger;
    }
  }
}

/** Unfinished files, removed when the process ends. */
const partial = new Set<string>();
process.on("exit", () => {
  for (const file of partial) rmSync(file, { force: true });
});

/** Name for an unfinished file beside `target`. Random, lest another user of a shared folder puts a link there. */
const partialName = (target: string): string =>
  join(dirname(target), `.${basename(target).slice(0, 64)}.${randomUUID()}.part`);

/** Checks that `file` can be written: call it before any work. Makes an empty file beside it and removes it again, since
 *  permissions alone do not say whether a folder takes files.
 *  @throws UserError when its folder is missing or takes no files, and when it is a folder itself */
export async function checkWritable(file: string): Promise<void> {
  const folder = dirname(resolve(file));
  const info = await stat(folder).catch(() => undefined);
  if (!info) throw new UserError(`${file}: the folder ${dirname(file)} does not exist; make it first`);
  if (!info.isDirectory()) throw new UserError(`${file}: ${dirname(file)} is not a folder`);
  const there = await stat(file).catch(() => undefined);
  if (there?.isDirectory()) throw new UserError(`${file}: is a folder, expected the name of a file to write`);
  const probe = partialName(join(folder, "injectfusion"));
  partial.add(probe);
  try {
    await (await open(probe, "wx")).close();
    await rm(probe, { force: true });
  } catch (error) {
    throw new UserError(`${file}: ${cannotWrite(codeOf(error), dirname(file))}`);
  } finally {
    partial.delete(probe);
  }
}

/** Says why a file could not be made in a folder that exists. */
function cannotWrite(code: string, folder: string): string {
  const where = `the folder ${folder}`;
  const reasons: Readonly<Record<string, string>> = {
    EACCES: `${where} may not be written (permission denied)`,
    EPERM: `${where} may not be written (not permitted)`,
    EROFS: `${where} is on a read-only file system`,
    ENOSPC: `no space is left in ${where}`,
    EDQUOT: `the disk quota of ${where} is used up`,
    ENAMETOOLONG: "the name is too long",
    EISDIR: "is a folder, expected the name of a file to write",
  };
  return `${reasons[code] ?? `no file can be made in ${where} (${code})`}; choose another`;
}

/** Text that comes in many small pieces, in fewer large ones. */
function* piecesOf(bytes: Uint8Array | string | Iterable<string>): Generator<Uint8Array | string> {
  if (typeof bytes === "string" || bytes instanceof Uint8Array) return yield bytes;
  let text = "";
  for (const piece of bytes) {
    text += piece;
    if (text.length < 2 ** 20) continue;
    yield text;
    text = "";
  }
  yield text;
}

/** Writes a file whole or not at all: into a temporary file of the same folder, flushed, then renamed.
 *  @param bytes all of it, or its pieces one after another
 *  A run that is interrupted leaves neither. @throws UserError when the folder cannot be written. */
export async function writeWhole(file: string, bytes: Uint8Array | string | Iterable<string>): Promise<void> {
  const target = resolve(file);
  const temporary = partialName(target);
  partial.add(temporary);
  try {
    const handle = await open(temporary, "wx");
    try {
      for (const piece of piecesOf(bytes)) await handle.writeFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    const code = codeOf(error);
    const isMissing = code === "ENOENT" && !(await stat(dirname(target)).catch(() => undefined));
    throw new UserError(
      `${file}: ${isMissing ? `the folder ${dirname(file)} does not exist; make it first` : cannotWrite(code, dirname(file))}`,
    );
  } finally {
    partial.delete(temporary);
  }
}
