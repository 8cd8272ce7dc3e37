import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../errors";
import { type ChooseOptions, chooseWeights } from "./choose";
import { type ByteSource, checkRange, checkSibling, message, room } from "./source";

/** Files of a folder and of the folders in it, as paths relative to it. */
async function listFolder(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  const lists = entries
    .filter(({ name }) => !name.startsWith("."))
    .slice(0, 1000)
    .map(async (entry) => {
      if (!entry.isDirectory()) return [entry.name];
      const inside = await readdir(join(path, entry.name), { withFileTypes: true }).catch(() => []);
      return inside.filter((e) => !e.isDirectory()).map((e) => `${entry.name}/${e.name}`);
    });
  return (await Promise.all(lists)).flat();
}

/** The weights of a folder: a model's, a pipeline's, or those of a checkpoint of a training run.
 *  @throws UserError when there are none, or several and it is not plain which. */
async function weightsIn(path: string, options: ChooseOptions): Promise<string> {
  const files = await listFolder(path);
  if (files.includes("data.pkl"))
    throw new UserError(`${path}: is an unpacked torch file; zip the folder again (zip -0 -r model.pt FOLDER)`);
  return join(path, chooseWeights(files, path, options));
}

/** A path: the file itself, or the weights of the folder that it is. @throws UserError as `fileSource` */
export async function pathSource(path: string, options: ChooseOptions = {}): Promise<ByteSource> {
  const about = await stat(path).catch(() => undefined);
  return fileSource(about?.isDirectory() ? await weightsIn(path, options) : path);
}

/** Opens a file on disk. Only the ranges that are read are in memory.
 *  @throws UserError when it is missing, unreadable or a folder */
export async function fileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)); // a pipe without a writer would block
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EISDIR") throw new UserError(`${path}: is a folder; give a file`);
    if (code === "ENOENT") throw new UserError(`${path}: no such file; check the path`);
    throw new UserError(`${path}: cannot be opened (${code ?? message(error)}); check its permissions`);
  }
  const about = await handle.stat();
  if (!about.isFile()) {
    await handle.close();
    throw new UserError(
      `${path}: is ${about.isDirectory() ? "a folder; give a file" : "not a regular file; copy it to one first"}`,
    );
  }
  const source: ByteSource = {
    name: basename(path),
    size: about.size,
    async read(offset, length, signal, into) {
      checkRange(source, offset, length);
      const bytes = room(length, into);
      for (let at = 0; at < length; ) {
        signal?.throwIfAborted();
        const { bytesRead } = await handle.read(bytes, at, Math.min(length - at, 2 ** 24), offset + at);
        if (bytesRead === 0) throw new UserError(`${path}: became shorter while it was read; try again`);
        at += bytesRead;
      }
      return bytes;
    },
    async sibling(relative) {
      checkSibling(relative);
      const beside = join(dirname(path), relative);
      const there = await stat(beside).catch(() => undefined);
      return there && fileSource(beside);
    },
    close: () => void handle.close().catch(() => {}),
  };
  return source;
}

const unwritable = new Set(["EACCES", "EROFS", "EISDIR", "ENOTDIR", "EPERM", "EEXIST", "ENAMETOOLONG"]);

/** Writes a file whole or not at all: into a temporary file beside it, then renamed.
 *  @throws UserError when the folder cannot be written or the disk is full. */
export async function writeFileAtomic(
  path: string,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.part`; // random: nobody can put a link there first
  let handle: FileHandle | undefined;
  try {
    await mkdir(dirname(path), { recursive: true });
    handle = await open(temporary, "wx");
    for await (const piece of pieces)
      for (let at = 0; at < piece.length; ) at += (await handle.write(piece, at, piece.length - at)).bytesWritten;
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
  } catch (error) {
    await handle?.close().catch(() => {});
    await rm(temporary, { force: true }).catch(() => {});
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOSPC") throw new UserError(`${path}: no space left on the disk; free some and try again`);
    if (code && unwritable.has(code)) throw new UserError(`${path}: cannot be written (${code}); choose another place`);
    throw error;
  }
}
