import { UserError } from "../../errors";
import { sha256 } from "./sha256";
import { type ByteSource, blobSource, message } from "./source";

/** A folder of the browser's private file system (OPFS). */
export type Folder = FileSystemDirectoryHandle;

export interface CacheOptions {
  /** Folder for the files; default: `injectfusion` in the page's OPFS. */
  readonly folder?: Folder;
  /** Expected SHA-256 of the download, in hex. */
  readonly checksum?: string | undefined;
  readonly signal?: AbortSignal;
  /** Called when a file is used without being kept, with the reason (no space left, no OPFS). */
  readonly onNotice?: (notice: string) => void;
}

/** Bytes copied at a time. */
const PIECE = 4 * 2 ** 20;

/** Opens the page's folder; undefined where there is no private file system. */
export async function privateFolder(): Promise<Folder | undefined> {
  const root = await globalThis.navigator?.storage?.getDirectory?.().catch(() => undefined);
  return root?.getDirectoryHandle("injectfusion", { create: true }).catch(() => undefined);
}

/** File name for one version of a URL. */
async function keyOf(url: string, source: ByteSource): Promise<string> {
  const text = new TextEncoder().encode(`${url}\n${source.size}\n${source.sha256 ?? ""}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return [...digest.slice(0, 16)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/** Opens a remote file through the browser's cache: from OPFS if it is complete there, else after downloading and hashing
 *  it. Without OPFS or space the remote source itself is used, and `onNotice` says so.
 *  @throws UserError when the download does not have the checksum; it is not kept then */
export async function cachedSource(url: string, remote: ByteSource, options: CacheOptions = {}): Promise<ByteSource> {
  const { signal, onNotice, checksum = remote.sha256 } = options;
  const folder = options.folder ?? (await privateFolder());
  const uncached = (why: string) => {
    onNotice?.(`${remote.name} is not kept for next time (${why})`);
    return remote;
  };
  if (!folder) return uncached("this browser offers no private file system here");
  const key = await keyOf(url, remote);
  const kept = await folder.getFileHandle(key).catch(() => undefined);
  if (kept) {
    const blob = await kept.getFile();
    if (blob.size === remote.size) return fromCache(blob, remote);
    await folder.removeEntry(key).catch(() => {});
  }
  const estimate = await globalThis.navigator?.storage?.estimate?.().catch(() => undefined);
  if (estimate?.quota !== undefined && estimate.quota - (estimate.usage ?? 0) < remote.size)
    return uncached(`expected ${remote.size} bytes of space, got ${estimate.quota - (estimate.usage ?? 0)}`);
  const part = `${key}.part`;
  try {
    await download(folder, part, remote, checksum, signal);
    const blob = await rename(folder, part, key);
    return fromCache(blob, remote);
  } catch (error) {
    await folder.removeEntry(part).catch(() => {});
    if (error instanceof Error && error.name === "QuotaExceededError")
      return uncached("the browser's space is used up");
    throw error;
  }
}

/** Source of a cached file. Its shards and its config still come from the remote folder. */
function fromCache(blob: Blob, remote: ByteSource): ByteSource {
  remote.close?.();
  return {
    ...blobSource(blob, remote.name),
    sha256: remote.sha256,
    ...(remote.sibling ? { sibling: remote.sibling.bind(remote) } : {}),
    ...(remote.report ? { report: remote.report.bind(remote) } : {}),
  };
}

async function download(folder: Folder, name: string, remote: ByteSource, checksum?: string, signal?: AbortSignal) {
  const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
  const hash = checksum ? sha256() : undefined;
  try {
    for (let at = 0; at < remote.size; at += PIECE) {
      const bytes = await remote.read(at, Math.min(PIECE, remote.size - at), signal);
      hash?.update(bytes);
      await writable.write(bytes);
    }
    const found = hash?.digest();
    if (found !== undefined && found !== checksum?.toLowerCase())
      throw new UserError(`${remote.name}: sha256 is ${found}, expected ${checksum}; damaged, download it again`);
    await writable.close();
  } catch (error) {
    await writable.abort(message(error)).catch(() => {});
    throw error;
  }
}

/** Renames a finished download, or copies it in browsers without `move`. */
async function rename(folder: Folder, from: string, to: string): Promise<Blob> {
  const handle = (await folder.getFileHandle(from)) as FileSystemFileHandle & {
    move?: (name: string) => Promise<void>;
  };
  if (handle.move) {
    await handle.move(to);
    return (await folder.getFileHandle(to)).getFile();
  }
  const target = await folder.getFileHandle(to, { create: true });
  const writable = await target.createWritable();
  await (await handle.getFile()).stream().pipeTo(writable);
  await folder.removeEntry(from);
  return target.getFile();
}
