import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chooseWeights } from "../src/model/checkpoint/choose";
import { fileSource, writeFileAtomic } from "../src/model/checkpoint/file-node";
import { hubFileUrl, parseHubSpec } from "../src/model/checkpoint/hub";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { cachedSource, type Folder } from "../src/model/checkpoint/opfs";
import type { Progress } from "../src/model/checkpoint/progress";
import { blobSource, memorySource } from "../src/model/checkpoint/source";
import { openSource as openInBrowser } from "../src/model/checkpoint/source-browser";
import { openSource } from "../src/model/checkpoint/source-node";
import { urlSource } from "../src/model/checkpoint/source-url";
import { DDPM_TINY, expectState, stateOf } from "./checkpoint-models";
import { safetensors, stateFile, torchLegacy, torchZip } from "./checkpoint-writers";
import { toDiffusers } from "./support/to-diffusers";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const state = stateOf(DDPM_TINY);
const quick = { backoff: 1, retries: 3 };
let server: Server;
let base: string;
let handler: Handler;
let requests: { readonly url: string; readonly range: string | undefined; readonly method: string | undefined }[] = [];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "checkpoint-"));
  server = createServer((request, response) => {
    requests.push({ url: request.url ?? "", range: request.headers.range, method: request.method });
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});
afterEach(() => {
  requests = [];
});

const parse = (range: string | undefined, size: number): [number, number] | undefined => {
  const [, from, to] = /bytes=(\d+)-(\d*)/.exec(range ?? "") ?? [];
  return from === undefined ? undefined : [Number(from), Math.min(size - 1, to ? Number(to) : size - 1)];
};

/** Serves bytes in ranges; `cut` breaks the connection after so many bytes of a body. */
function ranged(bytes: Uint8Array, cut?: (request: number) => number | undefined): Handler {
  let n = 0;
  return (request, response) => {
    const [from, to] = parse(request.headers.range, bytes.length) ?? [0, bytes.length - 1];
    const part = bytes.subarray(from, to + 1);
    response.writeHead(request.headers.range ? 206 : 200, {
      "content-length": part.length,
      "content-range": `bytes ${from}-${to}/${bytes.length}`,
      etag: '"v1"',
    });
    const at = cut?.(n++);
    if (at === undefined || at >= part.length) response.end(part);
    else response.write(part.subarray(0, at), () => response.destroy());
  };
}

/** Serves the whole body whatever is asked for. */
const whole =
  (bytes: Uint8Array, headers: Record<string, string | number> = { "content-length": bytes.length }): Handler =>
  (_, response) => {
    response.writeHead(200, headers);
    response.end(bytes);
  };

const files: Record<string, () => Promise<Uint8Array> | Uint8Array> = {
  safetensors: () => safetensors(state),
  zip: () => torchZip(stateFile(state)),
  legacy: () => torchLegacy(stateFile(state)),
};

describe("URLs", () => {
  for (const [name, make] of Object.entries(files)) {
    test(`${name} in ranges, a few requests for all tensors`, async () => {
      handler = ranged(await make());
      const model = await openModelCheckpoint(await urlSource(`${base}/a/model.bin?x=1`, { readAhead: 2 ** 18 }), {
        resolution: 16,
      });
      await expectState(model, state);
      expect(model.file).toBe("model.bin");
      expect(requests.length).toBeLessThan(14);
    });
    test(`${name} over connections that break is resumed`, async () => {
      handler = ranged(await make(), (n) => (n % 3 === 2 ? undefined : 100_000));
      const model = await openModelCheckpoint(await urlSource(`${base}/m`, quick), { resolution: 16 });
      await expectState(model, state);
    });
    test(`${name} from a server without ranges`, async () => {
      handler = whole(await make());
      const model = await openModelCheckpoint(await urlSource(`${base}/m`, quick), { resolution: 16 });
      await expectState(model, state);
      expect(requests.length).toBeLessThan(4);
    });
    test(`${name} from a server that tells no size`, async () => {
      handler = whole(await make(), {});
      await expectState(await openModelCheckpoint(await urlSource(`${base}/m`, quick), { resolution: 16 }), state);
    });
  }
  test("tensors read in parallel", async () => {
    handler = ranged(await safetensors(state));
    const model = await openModelCheckpoint(await urlSource(`${base}/m`, { readAhead: 1000 }), { resolution: 16 });
    const all = await Promise.all(
      [...model.tensors.keys()].reverse().map(async (name) => [name, await model.read(name)] as const),
    );
    for (const [name, values] of all) expect(values).toEqual(state.get(name)!.values);
  });
  test("a server that stumbles is asked again", async () => {
    const good = ranged(await safetensors(state));
    let n = 0;
    handler = (request, response) => (n++ % 2 ? good(request, response) : response.writeHead(503).end());
    await expectState(
      await openModelCheckpoint(await urlSource(`${base}/m`, { ...quick, readAhead: 2 ** 18 }), { resolution: 16 }),
      state,
    );
  });
  test("a custom fetch and headers", async () => {
    handler = ranged(await safetensors(state));
    const seen: string[] = [];
    const source = await urlSource(`${base}/m`, {
      headers: { "x-test": "1" },
      fetch: async (input, init) => {
        seen.push(new Headers(init?.headers).get("x-test") ?? "");
        return fetch(input, init);
      },
    });
    await source.read(0, 10);
    expect(seen).toEqual(["1"]);
  });
  test.each([
    [404, "", /answers 404; check the URL/],
    [403, "<Error><Code>AccessDenied</Code></Error>", /403 AccessDenied.*mirror/],
    [401, "", /gated.*access token/],
    [500, "", /answers 500/],
  ])("status %i", async (status, body, message) => {
    handler = (_, response) => response.writeHead(status).end(body);
    const error = await urlSource(`${base}/m`, { ...quick, retries: 1 }).catch((e: Error) => e);
    expect(error).toMatchObject({ name: "UserError", message: expect.stringMatching(message) });
  });
  test("no server, always broken, shrinking, changed, stalled", async () => {
    await expect(urlSource("http://127.0.0.1:1/m", { ...quick, retries: 1 })).rejects.toThrow(/cannot be fetched/);
    const bytes = await safetensors(state);
    handler = ranged(bytes, () => 0);
    await expect(urlSource(`${base}/m`, { ...quick, readAhead: 1000 })).rejects.toThrow(/broke 4 times at byte 0/);
    handler = ranged(bytes);
    const source = await urlSource(`${base}/m`, { ...quick, readAhead: 1000 });
    handler = ranged(bytes.subarray(0, 200_000));
    await expect(source.read(100_000, 2000)).rejects.toThrow(/another part/);
    handler = whole(bytes);
    await expect(source.read(100_000, 2000)).rejects.toThrow(/changed on the server/);
    handler = (_, response) => void response.writeHead(206, { "content-range": `bytes 0-999/5000` }).flushHeaders();
    await expect(urlSource(`${base}/m`, { ...quick, retries: 1, stallTimeout: 30, readAhead: 1000 })).rejects.toThrow(
      /broke 2 times/,
    );
  });
  test("a web page behind the URL is named", async () => {
    handler = whole(new TextEncoder().encode("<!doctype html><title>virus scan</title>"));
    await expect(openModelCheckpoint(await urlSource(`${base}/m`, quick))).rejects.toThrow(/web page/);
    handler = (_, response) => response.writeHead(416).end();
    await expect(openModelCheckpoint(await urlSource(`${base}/m`, quick))).rejects.toThrow(/empty/);
  });
  test("an AbortSignal ends a read, and a load", async () => {
    const control = new AbortController();
    handler = (_, response) => void response.writeHead(206, { "content-range": "bytes 0-999/5000" }).flushHeaders();
    setTimeout(() => control.abort(), 30);
    await expect(urlSource(`${base}/m`, { signal: control.signal })).rejects.toMatchObject({ name: "AbortError" });
    const model = await openModelCheckpoint(memorySource(await safetensors(state)), { resolution: 16 });
    await expect(model.read("conv_in.weight", control.signal)).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("blobs and bytes", () => {
  test("a File, a Blob, an ArrayBuffer, a view, a data: URL", async () => {
    const bytes = new Uint8Array(await safetensors(state));
    const inputs = [new File([bytes], "dropped.ckpt"), new Blob([bytes]), bytes.buffer, bytes.subarray(0)];
    for (const input of inputs)
      await expectState(await openModelCheckpoint(await openInBrowser(input), { resolution: 16 }), state);
    expect((await openInBrowser(inputs[0] as File)).name).toBe("dropped.ckpt");
    await expect(blobSource(new Blob([bytes])).read(bytes.length - 1, 2)).rejects.toThrow(/truncated/);
    await expect(openInBrowser("C:\\model.ckpt")).rejects.toThrow(/cannot open file paths/);
  });
  test("progress goes initiate, download, progress..., done", async () => {
    const events: Progress[] = [];
    const bytes = await safetensors(state);
    const model = await openModelCheckpoint(await openInBrowser(bytes, { onProgress: (event) => events.push(event) }), {
      resolution: 16,
    });
    for (const name of model.tensors.keys()) await model.read(name);
    model.close();
    const kinds = events.map((event) => event.status);
    expect(kinds.slice(0, 3)).toEqual(["initiate", "download", "progress"]);
    expect(kinds.at(-1)).toBe("done");
    expect(events.at(-1)!.loaded).toBe(bytes.length);
    expect(
      events.every((event, i) => event.loaded >= (events[i - 1]?.loaded ?? 0) && event.total === bytes.length),
    ).toBe(true);
  });
  test("checksums", async () => {
    const bytes = await safetensors(state);
    const checksum = createHash("sha256").update(bytes).digest("hex");
    await openInBrowser(bytes, { checksum });
    await expect(openInBrowser(bytes, { checksum: "0".repeat(64) })).rejects.toThrow(/sha256 is .*damaged/);
    await expect(openInBrowser(bytes, { checksum: "12" })).rejects.toThrow(/no sha256/);
    const path = join(folder, "sum.safetensors");
    await writeFile(path, bytes);
    (await openSource(path, { checksum })).close?.();
    await expect(openSource(path, { checksum: "0".repeat(64) })).rejects.toThrow(/sha256/);
  });
});

describe("files", () => {
  test("a path, a file: URL", async () => {
    const path = join(folder, "model.safetensors");
    await writeFile(path, await safetensors(state));
    for (const from of [path, new URL(`file://${path}`), `file://${path}`]) {
      const model = await openModelCheckpoint(await openSource(from), { resolution: 16 });
      await expectState(model, state);
      model.close();
    }
  });
  test("missing files and folders say what to do", async () => {
    await expect(fileSource(join(folder, "nothing"))).rejects.toThrow(/no such file/);
    await mkdir(join(folder, "empty"));
    await expect(openSource(join(folder, "empty"))).rejects.toThrow(/holds no weights/);
    await mkdir(join(folder, "torch"));
    await writeFile(join(folder, "torch/data.pkl"), "");
    await expect(openSource(join(folder, "torch"))).rejects.toThrow(/unpacked torch file/);
  });
  test("config.json beside diffusers weights is read", async () => {
    const at = join(folder, "diffusers");
    await mkdir(at);
    const theirs = new Map([...state].map(([name, tensor]) => [toDiffusers(name, 2, "new"), tensor]));
    await writeFile(join(at, "w.safetensors"), await safetensors(theirs));
    const config = {
      _class_name: "UNet2DModel",
      sample_size: 64,
      block_out_channels: [32, 32],
      layers_per_block: 1,
      down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
      up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
      norm_eps: 1e-5,
    };
    const reopen = async () => openModelCheckpoint(await fileSource(join(at, "w.safetensors")));
    await expect(reopen()).rejects.toThrow(/without a config\.json.*--family ddpm.*--family diffusers/);
    await writeFile(join(at, "config.json"), JSON.stringify(config));
    const model = await reopen();
    model.close();
    expect(model.config).toMatchObject({ height: 64, width: 64, eps: 1e-5, pad: "same", headChannels: 8 });
    for (const [text, why] of [
      [JSON.stringify({ ...config, in_channels: 4 }), /config\.json: in_channels gives 4, the weights have 3/],
      [JSON.stringify({ ...config, act_fn: "tanh" }), /config\.json: act_fn is "tanh"; supported: silu/],
      ["{", /config\.json: is not JSON/],
    ] as const) {
      await writeFile(join(at, "config.json"), text);
      await expect(reopen()).rejects.toThrow(why);
    }
  });
  test("writing is all or nothing", async () => {
    const path = join(folder, "new/out.bin");
    await writeFileAtomic(path, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    const failing = async function* () {
      yield Uint8Array.of(9);
      throw new Error("stop");
    };
    await expect(writeFileAtomic(path, failing())).rejects.toThrow("stop");
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    expect(await readdir(join(folder, "new"))).toEqual(["out.bin"]);
    await expect(writeFileAtomic(join(path, "below"), [])).rejects.toThrow(/cannot be written/);
  });
});

describe("sharded safetensors", () => {
  const names = [...state.keys()];
  const part = (from: number, to: number) => safetensors(new Map([...state].slice(from, to)));
  const index = (map: Record<string, string>) => JSON.stringify({ metadata: { total_size: 1 }, weight_map: map });
  const map = Object.fromEntries(names.map((name, i) => [name, i < 70 ? "m-1.safetensors" : "m-2.safetensors"]));
  test("from a folder and from a server", async () => {
    const at = join(folder, "sharded");
    await mkdir(at);
    const served: Record<string, Uint8Array> = {
      "/x/m.safetensors.index.json": new TextEncoder().encode(index(map)),
      "/x/m-1.safetensors": await part(0, 70),
      "/x/m-2.safetensors": await part(70, 1000),
    };
    for (const [url, bytes] of Object.entries(served)) await writeFile(join(at, url.slice(3)), bytes);
    const model = await openModelCheckpoint(await fileSource(join(at, "m.safetensors.index.json")), { resolution: 16 });
    await expectState(model, state);
    model.close();
    handler = (request, response) => {
      const bytes = served[request.url ?? ""];
      if (bytes) ranged(bytes)(request, response);
      else response.writeHead(404).end();
    };
    await expectState(
      await openModelCheckpoint(await urlSource(`${base}/x/m.safetensors.index.json`, quick), { resolution: 16 }),
      state,
    );
    await rm(join(at, "m-2.safetensors"));
    await expect(openModelCheckpoint(await fileSource(join(at, "m.safetensors.index.json")))).rejects.toThrow(
      /shard m-2\.safetensors is not beside it/,
    );
  });
  test.each(["../secret.safetensors", "/etc/passwd", "a/../../b", "http://x/y"])(
    "a shard called %s is refused",
    async (name) => {
      const at = join(folder, "evil.index.json");
      await writeFile(at, index({ "conv_in.weight": name }));
      await expect(openModelCheckpoint(await fileSource(at))).rejects.toThrow(/not a plain file name/);
    },
  );
  test("an index without its shards at hand", async () => {
    await expect(openModelCheckpoint(memorySource(new TextEncoder().encode(index(map))))).rejects.toThrow(
      /index of 2 shards/,
    );
  });
});

describe("the Hugging Face hub", () => {
  test("specs", () => {
    expect(parseHubSpec("hf:google/ddpm-ema-church-256")).toEqual({
      repo: "google/ddpm-ema-church-256",
      revision: "main",
      file: undefined,
    });
    expect(parseHubSpec("hf:a/b@refs/pr/1:unet/w.bin")).toEqual({
      repo: "a/b",
      revision: "refs/pr/1",
      file: "unet/w.bin",
    });
    for (const bad of ["hf:a", "hf:a/b/c", "hf:", "hf:a/b:../x"])
      expect(() => parseHubSpec(bad)).toThrow(/is not hf:owner\/name/);
    expect(hubFileUrl({ repo: "a/b", revision: "main", file: "u/w x.bin" })).toBe(
      "https://huggingface.co/a/b/resolve/main/u/w%20x.bin",
    );
  });
  test("the weights are chosen by name", () => {
    expect(chooseWeights(["a.md", "diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors"], "s")).toMatch(
      /safetensors$/,
    );
    expect(chooseWeights(["celeba_hq.ckpt", "README.md"], "s")).toBe("celeba_hq.ckpt");
    expect(() => chooseWeights(["a.pt", "b.pt"], "hf:a/b")).toThrow(
      /which file\? It holds a\.pt, b\.pt; give one of them/,
    );
    expect(() => chooseWeights(["README.md"], "hf:a/b")).toThrow(/no weights/);
  });

  /** As much of the hub's API as its client asks for. */
  const hub = (bytes: Uint8Array, cut?: (n: number) => number | undefined): Handler => {
    const file = "diffusion_pytorch_model.safetensors";
    const oid = createHash("sha256").update(bytes).digest("hex");
    const serve = ranged(bytes, cut);
    return (request, response) => {
      const json = (value: unknown) =>
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
      if (request.url?.startsWith("/api/models/o/n/tree/main"))
        json([
          { type: "file", path: file },
          { type: "file", path: "README.md" },
        ]);
      else if (request.url === "/api/models/o/n/paths-info/main") {
        let body = "";
        request.on("data", (chunk) => (body += chunk));
        request.on("end", () =>
          json(
            body.includes(file)
              ? [
                  {
                    path: file,
                    type: "file",
                    size: bytes.length,
                    oid: "1",
                    lfs: { oid, size: bytes.length },
                    lastCommit: { id: "c".repeat(40), title: "t", date: "2024-01-01" },
                  },
                ]
              : [],
          ),
        );
      } else if (request.url === `/o/n/resolve/main/${file}`) serve(request, response);
      else response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    };
  };
  test("in Node through the client's cache: downloaded once, resumed when broken", async () => {
    const bytes = await safetensors(state);
    handler = hub(bytes, (n) => (n === 1 ? 300_000 : undefined));
    const events: Progress[] = [];
    const options = {
      hubUrl: base,
      cacheDir: join(folder, "hub"),
      backoff: 1,
      onProgress: (event: Progress) => events.push(event),
    };
    const first = await openModelCheckpoint(await openSource("hf:o/n", options), { resolution: 16 });
    await expectState(first, state);
    first.close();
    expect(first.file).toBe("diffusion_pytorch_model.safetensors");
    expect(events.map((event) => event.status).slice(0, 3)).toEqual(["initiate", "download", "progress"]);
    const downloads = () =>
      requests.filter(({ url, range }) => url.includes("/resolve/") && range !== "bytes=0-0").length;
    expect(downloads()).toBe(2); // the first one, and its rest
    const second = await openModelCheckpoint(await openSource("hf:o/n", options), { resolution: 16 });
    await expectState(second, state);
    second.close();
    expect(downloads()).toBe(2);
  });
  test("in the browser by URL", async () => {
    handler = hub(await safetensors(state));
    await expectState(
      await openModelCheckpoint(await openInBrowser("hf:o/n", { hubUrl: base }), { resolution: 16 }),
      state,
    );
  });
  test("a repository that is not there", async () => {
    handler = (_, response) => response.writeHead(404).end();
    await expect(openSource("hf:o/n", { hubUrl: base, backoff: 1 })).rejects.toThrow(/hf:o\/n: the server answers 404/);
    await expect(
      openSource("hf:o/n:w.bin", { hubUrl: base, cacheDir: join(folder, "none"), backoff: 1 }),
    ).rejects.toThrow(/cannot be downloaded/);
  });
});

/** OPFS as far as the cache uses it, with a quota in bytes. */
function fakeFolder(quota = Number.POSITIVE_INFINITY) {
  const files = new Map<string, Blob>();
  const handle = (name: string) => ({
    getFile: async () => files.get(name)!,
    async createWritable() {
      const parts: Blob[] = [];
      return {
        async write(bytes: Uint8Array<ArrayBuffer>) {
          parts.push(new Blob([bytes]));
          if (parts.reduce((n, part) => n + part.size, 0) > quota)
            throw Object.assign(new Error("full"), { name: "QuotaExceededError" });
        },
        close: async () => void files.set(name, new Blob(parts)),
        abort: async () => {},
      };
    },
    async move(to: string) {
      files.set(to, files.get(name)!);
      files.delete(name);
    },
  });
  const folder = {
    async getFileHandle(name: string, options?: { create?: boolean }) {
      if (!files.has(name) && !options?.create) throw Object.assign(new Error("none"), { name: "NotFoundError" });
      if (!files.has(name)) files.set(name, new Blob([]));
      return handle(name);
    },
    removeEntry: async (name: string) => void files.delete(name),
  };
  return { folder: folder as unknown as Folder, files };
}

describe("the browser's cache", () => {
  test("a file is downloaded once", async () => {
    const bytes = await safetensors(state);
    const { folder: cache, files: kept } = fakeFolder();
    handler = ranged(bytes);
    for (let i = 0; i < 2; i++)
      await expectState(
        await openModelCheckpoint(await openInBrowser(`${base}/m`, { cache }), { resolution: 16 }),
        state,
      );
    expect(kept.size).toBe(1);
    expect(requests.length).toBe(2); // the file, and a look whether it is still the same
  });
  test("without space the file is used and not kept, and that is said", async () => {
    const { folder: cache, files: kept } = fakeFolder(100_000);
    handler = ranged(await safetensors(state));
    const notices: string[] = [];
    const source = await openInBrowser(`${base}/m`, { cache, onNotice: (notice) => notices.push(notice) });
    await expectState(await openModelCheckpoint(source, { resolution: 16 }), state);
    expect(notices).toEqual([expect.stringMatching(/not kept.*used up/)]);
    expect(kept.size).toBe(0);
  });
  test("a wrong checksum keeps nothing", async () => {
    const { folder: cache, files: kept } = fakeFolder();
    handler = ranged(await safetensors(state));
    await expect(openInBrowser(`${base}/m`, { cache, checksum: "0".repeat(64) })).rejects.toThrow(/sha256/);
    expect(kept.size).toBe(0);
  });
  test("no OPFS: the remote file itself", async () => {
    const remote = memorySource(await safetensors(state), "m");
    const notices: string[] = [];
    expect(await cachedSource("http://x/m", remote, { onNotice: (notice) => notices.push(notice) })).toBe(remote);
    expect(notices).toHaveLength(1);
  });
});
