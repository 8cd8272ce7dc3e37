import { UserError } from "../../errors";
import { isUrl } from "../../urls";
import { shown } from "./container";
import { type HubOptions, hubFileUrl, hubHeaders, isHubSpec, parseHubSpec, resolveHubFile } from "./hub";
import { cachedSource, type Folder } from "./opfs";
import { type OnProgress, withProgress } from "./progress";
import { verifyChecksum } from "./sha256";
import { type ByteSource, blobSource, isSource, memorySource, type SourceLike } from "./source";
import { type UrlOptions, urlSource } from "./source-url";

export interface SourceOptions extends UrlOptions, HubOptions {
  readonly onProgress?: OnProgress;
  /** Expected SHA-256 of the file, in hex; `true` for the one that the server states, if any. Local files are read once
   *  more for it; downloads are hashed on their way into a cache. */
  readonly checksum?: string | boolean;
  /** Browsers: keep downloads in OPFS (true), in this folder, or not at all (false, the default). */
  readonly cache?: boolean | Folder;
  readonly onNotice?: (notice: string) => void;
}

/** Opens what a page can offer as a file: a URL, `hf:owner/name[@revision][:file]`, a Blob or dropped File, bytes. */
export async function openSource(from: SourceLike, options: SourceOptions = {}): Promise<ByteSource> {
  if (typeof from === "string" && isHubSpec(from)) {
    const spec = await resolveHubFile(parseHubSpec(from), options);
    return openUrl(hubFileUrl(spec, options), { ...options, headers: hubHeaders(options) });
  }
  if (typeof from === "string" && (!isUrl(from) || /^file:/i.test(from)))
    throw new UserError(`"${shown(from)}" is neither a URL nor hf:owner/name; a page cannot open file paths`);
  if (typeof from === "string" || from instanceof URL) return openUrl(String(from), options);
  return checked(withProgress(localSource(from), options.onProgress), options);
}

/** Makes a source of something that need not be fetched. */
function localSource(from: Exclude<SourceLike, string | URL>): ByteSource {
  if (from instanceof Blob) return blobSource(from);
  if (from instanceof ArrayBuffer || ArrayBuffer.isView(from)) return memorySource(from);
  if (isSource(from)) return from;
  throw new UserError("a model is a URL, hf:owner/name, a File or Blob, or bytes");
}

/** Verifies the checksum of a local source, if one was given. */
export async function checked(source: ByteSource, options: SourceOptions): Promise<ByteSource> {
  const expected = options.checksum === true ? source.sha256 : options.checksum || undefined;
  if (expected === undefined) return source;
  try {
    await verifyChecksum(source, expected, options.signal);
  } catch (error) {
    source.close?.();
    throw error;
  }
  return source;
}

async function openUrl(url: string, options: SourceOptions): Promise<ByteSource> {
  const remote = withProgress(await urlSource(url, options), options.onProgress);
  if (!options.cache) return checked(remote, options);
  return cachedSource(url, remote, {
    ...(options.cache === true ? {} : { folder: options.cache }),
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.onNotice ? { onNotice: options.onNotice } : {}),
    checksum: typeof options.checksum === "string" ? options.checksum : remote.sha256,
  });
}
