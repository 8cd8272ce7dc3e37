import { createHash } from "node:crypto";
import { mkdir, readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import type { Pixels } from "../api";
import { UserError } from "../errors";
import { checkWritable, readWhole } from "../platform/files-node";
import { decodeImage } from "../platform/images-node";
import { openPicture } from "../platform/picture-files";

const extensions = new Set([".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".tif", ".tiff"]);

/** One picture of a folder; with an error instead of pixels when it cannot be read. */
export interface FolderPicture {
  /** File name. */
  readonly name: string;
  readonly pixels?: Pixels;
  readonly error?: UserError;
}

/** Names of the pictures of a folder, sorted. @throws UserError when there is no such folder, or no picture in it */
export async function pictureNames(folder: string): Promise<string[]> {
  const info = await stat(folder).catch(() => undefined);
  if (!info?.isDirectory()) throw new UserError(`${folder}: ${info ? "is not a folder" : "no such folder"}`);
  const names = (await readdir(folder)).filter((name) => extensions.has(extname(name).toLowerCase())).sort();
  if (names.length === 0) throw new UserError(`${folder}: holds no picture (${[...extensions].join(" ")})`);
  return names;
}

/** Every picture of a folder, decoded; bad files are named, not thrown. */
export async function readFolder(folder: string): Promise<FolderPicture[]> {
  const pictures: FolderPicture[] = [];
  for (const name of await pictureNames(folder)) {
    try {
      const bytes = await readWhole(join(folder, name), "a picture");
      pictures.push({ name, pixels: await decodeImage(bytes, join(folder, name)) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      pictures.push({ name, error });
    }
  }
  return pictures;
}

/** One picture of a folder as a list has it: nothing of it stays in memory. */
export interface ListedPicture {
  /** File name. */
  readonly name: string;
  /** Of the file's bytes: first 16 digits of its SHA-256. Empty when it cannot be read. */
  readonly digest: string;
  readonly width: number;
  readonly height: number;
  /** Why it is no picture. */
  readonly error?: string;
}

/** Every picture of a folder by name, digest and size, read one after another. Files that are no pictures are named, not
 *  thrown; damage further back in a file shows when it is decoded. */
export async function listFolder(folder: string, signal?: AbortSignal): Promise<ListedPicture[]> {
  const pictures: ListedPicture[] = [];
  for (const name of await pictureNames(folder)) {
    signal?.throwIfAborted();
    try {
      const bytes = await readWhole(join(folder, name), "a picture");
      const size = await openPicture(bytes, join(folder, name), {}, async (_, full) => full);
      pictures.push({ name, digest: digestOf(bytes), ...size });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      pictures.push({ name, digest: "", width: 0, height: 0, error: error.message });
    }
  }
  return pictures;
}

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

/** A picture of a list, decoded. @throws UserError when it cannot be read, or is not what the list has */
export async function readListed(folder: string, { name, digest, error }: ListedPicture): Promise<Pixels> {
  if (error !== undefined) throw new UserError(error);
  const file = join(folder, name);
  const bytes = await readWhole(file, "a picture");
  if (digestOf(bytes) !== digest)
    throw new UserError(`${file}: is another picture than when the grid was planned; run the command again`);
  return decodeImage(bytes, file);
}

/** Makes a folder for results, unless it exists. @throws UserError when its parent is missing, or takes no files */
export async function makeFolder(folder: string): Promise<void> {
  const isThere = await stat(folder).catch(() => undefined);
  if (!isThere && !(await stat(join(folder, "..")).catch(() => undefined)))
    throw new UserError(`${folder}: the folder above it does not exist; make it first`);
  await checkWritable(isThere ? join(folder, "x") : folder);
  await mkdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${folder}: the folder could not be made (${error.code})`);
  });
}
