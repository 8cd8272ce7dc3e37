import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../errors";
import { type ByteSource, checkRange, checkSibling, message, room } from "./source";

/** Makes the error for a folder given as a checkpoint, naming the weights inside it, if any. */
async function folderError(path: string): Promise<UserError> {
  const names: string[] = [];
  for (const folder of ["", "unet"]) {
    const found = await readdir(join(path, folder)).catch(() => []);
    names.push(...found.map((name) => join(folder, name)));
  }
  const inside = names.find((name) => /\.(?:safetensors|safetensors\.index\.json|bin|ckpt|pt|pth)$/.test(name));
  if (inside) return new UserError(`${path}: is a folder; give the file inside it, for example ${join(path, inside)}`);
  if (names.includes("data.pkl"))
    return new UserError(`${path}: is an unpacked torch file; zip the folder again (zip -0 -r model.pt FOLDER)`);
  return new UserError(`${path}: is a folder without weights in it; give a checkpoint file`);
}

/** Opens a file on disk. Only the ranges that are read are in memory.
 *  @throws UserError when it is missing, unreadable or a folder */
export async function fileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EISDIR") throw await folderError(path);
    if (code === "ENOENT") throw new UserError(`${path}: no such file; check the path`);
    throw new UserError(`${path}: cannot be opened (${code ?? message(error)}); check its permissions`);
  }
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw stat.isDirectory()
      ? await folderError(path)
      : new UserError(`${path}: is not a regular file; copy it to one first`);
  }
  const source: ByteSource = {
    name: basename(path),
    size: stat.size,
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
      return fileSource(join(dirname(path), relative)).catch(() => undefined);
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
  const temporary = `${path}.${process.pid}.${Date.now().toString(36)}.part`;
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
