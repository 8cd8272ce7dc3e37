import { UserError } from "../../errors";
import { isUrl } from "../../urls";
import type { ChooseOptions } from "./choose";
import { shown } from "./container";
import { folderSource } from "./folder";
import { ABSENT, StatusError } from "./http";
import { type HubOptions, hubFileUrl, hubHeaders, isHubSpec, parseHubSpec, resolveHubFile } from "./hub";
import { cachedSource, type Folder } from "./opfs";
import { type OnProgress, withProgress } from "./progress";
import { verifyChecksum } from "./sha256";
import {
  type ByteSource,
  blobSource,
  checkSibling,
  type Files,
  isSource,
  memorySource,
  type SourceLike,
} from "./source";
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
  return checked(withProgress(localSource(from, options), options.onProgress), options);
}

/** Makes a source of something that need not be fetched. */
function localSource(from: Exclude<SourceLike, string | URL>, options: ChooseOptions): ByteSource {
  if (from instanceof Blob) return blobSource(from);
  if (from instanceof ArrayBuffer || ArrayBuffer.isView(from)) return memorySource(from);
  if (isFiles(from)) return folderSource(from, options);
  if (isSource(from)) return from;
  throw new UserError("a model is a URL, hf:owner/name, a File or Blob, several files, or bytes");
}

const isFiles = (from: object): from is Files => from instanceof Map || Array.isArray(from);

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
  const cached = await cachedSource(url, remote, {
    ...(options.cache === true ? {} : { folder: options.cache }),
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.onNotice ? { onNotice: options.onNotice } : {}),
    checksum: typeof options.checksum === "string" ? options.checksum : remote.sha256,
  });
  return cached === remote ? remote : { ...cached, sibling: cachedSibling(url, cached, options) };
}

/** Files of weights beside a cached one are kept, too; small side files are fetched again. */
function cachedSibling(url: string, cached: ByteSource, options: SourceOptions): NonNullable<ByteSource["sibling"]> {
  return async (relative, signal) => {
    if (!/\.(?:bin|safetensors|pt|pth|ckpt)$/.test(relative) || !/^https?:/.test(url))
      return cached.sibling?.(relative, signal);
    checkSibling(relative);
    const next = new URL(url);
    next.pathname = next.pathname.replace(/[^/]*$/, "") + relative;
    const { onProgress: _, checksum: __, ...rest } = options;
    return openUrl(next.href, signal ? { ...rest, signal } : rest).catch((error) => {
      if (error instanceof StatusError && ABSENT.has(error.status)) return undefined;
      throw error;
    });
  };
}
