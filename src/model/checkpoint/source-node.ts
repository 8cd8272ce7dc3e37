import { createHash } from "node:crypto";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../errors";
import { isUrl, shortUrl } from "../../urls";
import { fileSource, pathSource } from "./file-node";
import { ABSENT, Attempts, request } from "./http";
import { hubFileUrl, hubHeaders, isHubSpec, parseHubSpec, resolveHubFile } from "./hub";
import { type Progress, withProgress } from "./progress";
import { verifyChecksum } from "./sha256";
import { type ByteSource, checkSibling, isAbort, message, type SourceLike } from "./source";
import * as browser from "./source-browser";
import { chunks, patiently, STALL_TIMEOUT } from "./stall";

export interface SourceOptions extends browser.SourceOptions {
  /** Folder in which the Hugging Face client keeps files; default: its own cache. */
  readonly cacheDir?: string;
}

/** Opens what the browser's `openSource` opens, file paths, and hub files through the Hugging Face client and its cache. */
export async function openSource(from: SourceLike, options: SourceOptions = {}): Promise<ByteSource> {
  const path = asPath(from);
  if (path !== undefined) return local(path, options);
  if (typeof from === "string" && isHubSpec(from)) return hubSource(from, options);
  return browser.openSource(from, options);
}

function asPath(from: SourceLike): string | undefined {
  if (from instanceof URL) return from.protocol === "file:" ? fileURLToPath(from) : undefined;
  if (typeof from !== "string" || isHubSpec(from)) return undefined;
  if (/^file:/i.test(from)) return fileURLToPath(from);
  if (isUrl(from)) return undefined;
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(from))
    throw new UserError(`${shortUrl(from)}: expected a path or a URL of http, https, file, data or blob`);
  return from;
}

async function local(path: string, options: SourceOptions): Promise<ByteSource> {
  const file = await pathSource(path, options);
  const expected = typeof options.checksum === "string" ? options.checksum : undefined;
  if (expected) {
    const hash = createHash("sha256");
    await verifyChecksum(file, expected, options.signal, {
      update: (bytes) => void hash.update(bytes),
      digest: () => hash.digest("hex"),
    }).catch((error) => {
      file.close?.();
      throw error;
    });
  }
  return withProgress(file, options.onProgress);
}

/** Opens a hub file on disk, after downloading it into the client's cache if it is not there. */
async function hubSource(text: string, options: SourceOptions): Promise<ByteSource> {
  const accessToken = options.accessToken ?? process.env.HF_TOKEN;
  const hub = { ...options, ...(accessToken ? { accessToken } : {}) };
  const spec = await resolveHubFile(parseHubSpec(text), hub);
  const path = await download(spec.file, hub, spec);
  const file = await local(path, options.checksum === true ? { ...options, checksum: false } : options);
  return {
    ...file,
    name: basename(spec.file),
    async sibling(relative) {
      const folder = spec.file.includes("/") ? spec.file.slice(0, spec.file.lastIndexOf("/") + 1) : "";
      checkSibling(relative);
      const beside = relative.startsWith("../")
        ? folder.replace(/[^/]*\/$/, "") + relative.slice(3)
        : folder + relative;
      if (relative.startsWith("../") && folder === "") return undefined;
      return downloadIfThere(beside, hub, spec);
    },
  };
}

/** A small file of a repository, or undefined where the hub says that there is none. */
async function downloadIfThere(
  file: string,
  options: SourceOptions,
  spec: ReturnType<typeof parseHubSpec>,
): Promise<ByteSource | undefined> {
  try {
    return await fileSource(await download(file, options, spec));
  } catch (error) {
    if (isAbort(error) || options.signal?.aborted) throw error;
    const url = hubFileUrl({ ...spec, file }, options);
    const asked = { ...options, headers: hubHeaders(options), retries: 0 };
    const response = await request(url, file, { Range: "bytes=0-0" }, asked).catch(() => undefined);
    await response?.body?.cancel();
    if (response && ABSENT.has(response.status)) return undefined;
    throw error;
  }
}

async function download(
  file: string,
  options: SourceOptions,
  { repo, revision }: { repo: string; revision: string },
): Promise<string> {
  const { downloadFileToCacheDir } = await import("@huggingface/hub");
  const quiet = console.debug; // the client logs each download
  console.debug = () => {};
  try {
    return await downloadFileToCacheDir({
      repo,
      path: file,
      revision,
      fetch: reporting(file, options),
      ...(options.hubUrl ? { hubUrl: options.hubUrl } : {}),
      ...(options.cacheDir ? { cacheDir: options.cacheDir } : {}),
      ...(options.accessToken ? { accessToken: options.accessToken } : {}),
    });
  } catch (error) {
    if (isAbort(error) || options.signal?.aborted) throw options.signal?.reason ?? error;
    if (error instanceof UserError) throw error;
    throw new UserError(
      `hf:${repo}:${file}: cannot be downloaded (${message(error)}); check owner, name, revision and file, or give an access token`,
    );
  } finally {
    console.debug = quiet;
  }
}

/** Bodies of this size and more are downloads of weights; smaller ones are answers of the hub's API. */
const MIN_DOWNLOAD = 2 ** 16;

const MAX_ANSWER = 2 ** 24;

/** Wraps the caller's `fetch`: requests can be cancelled, bodies have to arrive at a minimum rate, and the downloads among
 *  them are reported, and resumed where a connection breaks. */
function reporting(file: string, options: SourceOptions): typeof fetch {
  const { fetch = globalThis.fetch, signal, onProgress, stallTimeout = STALL_TIMEOUT } = options;
  const { retries = 4, backoff = 500 } = options;
  const get: typeof fetch = (input, init) =>
    patiently(fetch(input, { ...init, ...(signal ? { signal } : {}) }), stallTimeout, signal);
  return async (input, init) => {
    const response = await get(input, init);
    if (!response.body) return response;
    const total = Number(response.headers.get("content-length") ?? 0);
    const whole = response.status === 200 && !new Headers(init?.headers).has("range");
    async function* small() {
      let size = 0;
      for await (const chunk of chunks(response, stallTimeout, signal)) {
        size += chunk.length;
        if (size > MAX_ANSWER) throw new UserError(`${file}: the hub's answer has more than ${MAX_ANSWER} bytes`);
        yield chunk;
      }
    }
    const wrapped = (body: AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>) =>
      new Response(streamOf(body), { status: response.status, headers: response.headers });
    if (!whole || total < MIN_DOWNLOAD) return wrapped(small());
    let loaded = 0;
    const report = (status: Progress["status"]) => onProgress?.({ status, file, loaded, total });
    async function* resumed() {
      report("initiate");
      report("download");
      const attempts = new Attempts(retries);
      let part: Response | undefined = response;
      for (; loaded < total; part = undefined) {
        const before = loaded;
        let broken: unknown;
        try {
          const headers = new Headers(init?.headers);
          headers.set("range", `bytes=${loaded}-`);
          part ??= await get(input, { ...init, headers });
          if (before > 0 && part.status !== 206)
            throw new UserError(`${file}: broke off and cannot be resumed; try again`);
          for await (const chunk of chunks(part, stallTimeout, signal)) {
            loaded += chunk.length;
            report("progress");
            yield chunk;
          }
        } catch (error) {
          if (signal?.aborted || error instanceof UserError) throw error;
          broken = error;
        }
        if (loaded >= total) break;
        if (!attempts.again(loaded - before, total - before, broken))
          throw new UserError(`${file}: broke off at byte ${loaded} of ${total}; try again`);
        await attempts.pause(backoff, signal);
      }
      report("done");
    }
    return wrapped(resumed());
  };
}

/** Turns a generator into a stream that pulls from it. */
const streamOf = (pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>): ReadableStream =>
  new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return();
    },
  });
