import { createHash } from "node:crypto";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../errors";
import { fileSource } from "./file-node";
import { chunks, pause } from "./http";
import { isHubSpec, parseHubSpec, resolveHubFile } from "./hub";
import { type Progress, withProgress } from "./progress";
import { verifyChecksum } from "./sha256";
import { type ByteSource, isAbort, message, type SourceLike } from "./source";
import * as browser from "./source-browser";

export interface SourceOptions extends browser.SourceOptions {
  /** Where the Hugging Face client keeps files; its own cache unless given. */
  readonly cacheDir?: string;
}

/** As the browser's `openSource`, with file paths, and hub files through the Hugging Face client and its cache on disk. */
export async function openSource(from: SourceLike, options: SourceOptions = {}): Promise<ByteSource> {
  const path = asPath(from);
  if (path !== undefined) return local(path, options);
  if (typeof from === "string" && isHubSpec(from)) return hubSource(from, options);
  return browser.openSource(from, options);
}

function asPath(from: SourceLike): string | undefined {
  if (from instanceof URL) return from.protocol === "file:" ? fileURLToPath(from) : undefined;
  if (typeof from !== "string" || isHubSpec(from) || /^(?:https?|data|blob):/i.test(from)) return undefined;
  return from.startsWith("file:") ? fileURLToPath(from) : from;
}

async function local(path: string, options: SourceOptions): Promise<ByteSource> {
  const file = await fileSource(path);
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

/** A hub file on disk: from the client's cache, or downloaded into it first. */
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
      const beside = await download(folder + relative, hub, spec).catch(() => undefined);
      return beside === undefined ? undefined : fileSource(beside);
    },
  };
}

async function download(
  file: string,
  options: SourceOptions,
  { repo, revision }: { repo: string; revision: string },
): Promise<string> {
  const { downloadFileToCacheDir } = await import("@huggingface/hub");
  const quiet = console.debug; // the client announces each download there
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

/** The caller's fetch made cancellable; large bodies are counted, and resumed where a connection breaks. */
function reporting(file: string, options: SourceOptions): typeof fetch {
  const { fetch = globalThis.fetch, signal, onProgress, retries = 4, backoff = 500, stall = 30_000 } = options;
  const get: typeof fetch = (input, init) => fetch(input, { ...init, ...(signal ? { signal } : {}) });
  return async (input, init) => {
    const response = await get(input, init);
    const total = Number(response.headers.get("content-length") ?? 0);
    const whole = response.status === 200 && !new Headers(init?.headers).has("range");
    if (!response.body || total < 2 ** 16 || !whole) return response;
    let loaded = 0;
    const report = (status: Progress["status"]) => onProgress?.({ status, file, loaded, total });
    async function* resumed() {
      report("initiate");
      report("download");
      let part: Response | undefined = response;
      for (let failures = 0; loaded < total; part = undefined) {
        const before = loaded;
        try {
          const headers = new Headers(init?.headers);
          headers.set("range", `bytes=${loaded}-`);
          part ??= await get(input, { ...init, headers });
          if (before > 0 && part.status !== 206)
            throw new UserError(`${file}: broke off and cannot be resumed; try again`);
          for await (const chunk of chunks(part, stall, signal)) {
            loaded += chunk.length;
            report("progress");
            yield chunk;
          }
        } catch (error) {
          if (signal?.aborted || error instanceof UserError) throw error;
        }
        failures = loaded > before ? 0 : failures + 1;
        if (failures > retries) throw new UserError(`${file}: broke off at byte ${loaded} of ${total}; try again`);
        if (loaded < total) await pause(backoff * 2 ** failures, signal);
      }
      report("done");
    }
    return new Response(streamOf(resumed()), { status: response.status, headers: response.headers });
  };
}

/** A generator as a stream that pulls. */
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
