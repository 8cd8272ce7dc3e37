import { createHash } from "node:crypto";
import { mkdir, readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import type { Pixels } from "../api";
import { UserError } from "../errors";
import { checkWritable, readWhole } from "../platform/files-node";
import { decodeImage } from "../platform/images-node";

const extensions = new Set([".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".tif", ".tiff"]);

/** One picture of a folder; with an error instead of pixels when it cannot be read. */
export interface FolderPicture {
  /** File name. */
  readonly name: string;
  readonly pixels?: Pixels;
  /** Of the file's bytes: first 16 digits of its SHA-256. */
  readonly digest?: string;
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
      const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
      pictures.push({ name, digest, pixels: await decodeImage(bytes, join(folder, name)) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      pictures.push({ name, error });
    }
  }
  return pictures;
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
