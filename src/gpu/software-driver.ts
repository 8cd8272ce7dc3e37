import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { cacheFolder, isPrivate, isTemporary, temporaryFolder } from "./private-folder";

/** File name of SwiftShader, in the package and once unpacked. */
export const DRIVER = "libvk_swiftshader.so";
const MANIFEST = "vk_swiftshader_icd.json";
const DIGESTS = "sha256.json";

/** Paths of an unpacked driver whose content has been checked. */
export interface Driver {
  readonly library: string;
  /** Description for Vulkan loaders. */
  readonly manifest: string;
  /** In a folder of this process, which may be removed once the library is mapped. */
  readonly temporary: boolean;
}

/** The archive with SwiftShader in the optional package `@sparticuz/chromium`; undefined where it is not installed. */
export function findArchive(): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve("@sparticuz/chromium");
    const archive = join(dirname(main), "..", "..", "bin", "swiftshader.tar.br");
    return existsSync(archive) ? archive : undefined;
  } catch {
    return undefined;
  }
}

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

/** Unpacks the driver once, into a folder that only this user can write, and checks it on every later use: whatever is not
 *  as it was unpacked from this very archive is unpacked again. */
export async function unpackedDriver(archive: string): Promise<Driver> {
  const packed = readFileSync(archive);
  const digest = sha256(packed);
  const place = (parent: string) => join(parent, `swiftshader-${digest.slice(0, 16)}`);
  const folder = place(cacheFolder());
  for (let attempt = 0; attempt < 3; attempt++) {
    if (isSound(folder, digest)) return driverIn(folder);
    await unpack(packed, digest, folder); // also when another process is at it: the last one wins, with the same bytes
  }
  const last = place(temporaryFolder());
  await unpack(packed, digest, last);
  return driverIn(last);
}

const driverIn = (folder: string): Driver => ({
  library: join(folder, DRIVER),
  manifest: join(folder, MANIFEST),
  temporary: isTemporary(folder),
});

/** Is every file as it was unpacked from the archive of this digest, and only this user's to write? */
function isSound(folder: string, archive: string): boolean {
  try {
    if (!isPrivate(folder)) return false;
    const digests = JSON.parse(readOwn(join(folder, DIGESTS)).toString()) as Record<string, unknown>;
    return (
      digests.archive === archive &&
      [DRIVER, MANIFEST].every((name) => digests[name] === sha256(readOwn(join(folder, name))))
    );
  } catch {
    return false;
  }
}

/** Reads a file of this user's. @throws Error for a link, or a file that others own or may write */
function readOwn(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { uid, mode } = fstatSync(file);
    if (uid !== process.getuid?.() || mode & 0o022) throw new Error(`${path} belongs to others`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

async function unpack(packed: Uint8Array, archive: string, folder: string): Promise<void> {
  const library = posing(fileOf(await promisify(brotliDecompress)(packed), DRIVER));
  const manifest = JSON.stringify({
    file_format_version: "1.0.0",
    ICD: { library_path: join(folder, DRIVER), api_version: "1.0.5" },
  });
  const digests = JSON.stringify({ archive, [DRIVER]: sha256(library), [MANIFEST]: sha256(manifest) });
  const partial = mkdtempSync(`${folder}.`); // mode 0700
  try {
    writeFileSync(join(partial, DRIVER), library, { mode: 0o500, flag: "wx" });
    writeFileSync(join(partial, MANIFEST), manifest, { mode: 0o400, flag: "wx" });
    writeFileSync(join(partial, DIGESTS), digests, { mode: 0o400, flag: "wx" });
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    // another process may have been first: its folder is checked next
    if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** Gives the driver the name of a Vulkan loader, by which Dawn asks for one: SwiftShader serves as either. The name is that of
 *  DT_SONAME, the longer one's place in the string table. */
function posing(library: Buffer): Buffer {
  const at = library.indexOf(`${DRIVER}\0`, 0, "latin1");
  if (at < 0) throw new Error(`${DRIVER} of this version of @sparticuz/chromium has no DT_SONAME`);
  const renamed = Buffer.from(library);
  renamed.write("libvulkan.so.1\0", at, "latin1");
  return renamed;
}

/** Content of the plain file of this name in a tar archive, whatever its folder. */
function fileOf(tar: Buffer, wanted: string): Buffer {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const text = (from: number, length: number) =>
      tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(text(124, 12), 8);
    const isFile = ["0", ""].includes(text(156, 1));
    if (isFile && text(0, 100).split("/").pop() === wanted) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`the archive of @sparticuz/chromium holds no ${wanted}`);
}
