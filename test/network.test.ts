import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createSocketServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../src/errors";
import { openCheckpoint } from "../src/model/checkpoint/checkpoint";
import { openSource as openInBrowser } from "../src/model/checkpoint/source-browser";
import { openSource } from "../src/model/checkpoint/source-node";
import { urlSource } from "../src/model/checkpoint/source-url";
import { shortUrl } from "../src/urls";
import { safetensors } from "./checkpoint-writers";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let handler: Handler = () => {};
const seen: IncomingMessage["headers"][] = [];
const listen = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
};
const server = createServer((request, response) => handler(request, response));
const other = createServer((request, response) => {
  seen.push(request.headers);
  file(request, response);
});
let base: string;
let elsewhere: string;
let bytes: Uint8Array;

beforeAll(async () => {
  bytes = await safetensors(new Map([["a", { shape: [50_000], values: new Float32Array(50_000).fill(1) }]]));
  base = `http://127.0.0.1:${await listen(server)}`;
  elsewhere = `http://127.0.0.1:${await listen(other)}`;
});
afterAll(() => {
  for (const each of [server, other]) {
    each.closeAllConnections();
    each.close();
  }
});

const range = (request: IncomingMessage): [number, number] => {
  const [, from, to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
  return [Number(from ?? 0), Math.min(bytes.length, to ? Number(to) + 1 : bytes.length)];
};
const head = (request: IncomingMessage, response: ServerResponse): Uint8Array => {
  const [from, to] = range(request);
  response.writeHead(206, { "content-length": to - from, "content-range": `bytes ${from}-${to - 1}/${bytes.length}` });
  return bytes.subarray(from, to);
};
const file: Handler = (request, response) => void response.end(head(request, response));

/** The refusal of a URL, and the seconds it took. */
async function refusal(url: string, options: Parameters<typeof openSource>[1] = {}): Promise<[string, number]> {
  const began = performance.now();
  const error = await openSource(url, { backoff: 1, ...options }).then(
    async (source) => source.read(0, source.size).catch((e: unknown) => e),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain("\n");
  return [(error as Error).message, (performance.now() - began) / 1000];
}

describe("a server that does not deliver is given up", () => {
  test("one that accepts and never answers", async () => {
    const silent = createSocketServer(() => {});
    const port = await listen(silent as unknown as Server);
    const [message, seconds] = await refusal(`http://127.0.0.1:${port}/m?token=secret`, { stallTimeout: 200 });
    expect(message).toMatch(/^m: cannot be fetched from 127\.0\.0\.1:\d+ \(no answer in 0\.2 s\)/);
    expect(seconds).toBeLessThan(5);
    silent.close();
  });
  test.each([
    [206, {}, /broke 2 times at byte \d+ of 1000000 .*less than 1 KB\/s/],
    [200, { "content-length": "1000000" }, /stalled twice/],
    [200, {}, /broke off .*less than 1 KB\/s/],
  ])("one byte every 50 ms, status %i %o", async (status, headers, message) => {
    const timers: NodeJS.Timeout[] = [];
    handler = (request, response) => {
      if (status === 206) {
        const [from] = range(request);
        response.setHeader("content-range", `bytes ${from}-999999/1000000`);
      }
      response.writeHead(status, headers as Record<string, string>);
      timers.push(setInterval(() => response.write("x"), 50));
    };
    const began = performance.now();
    const error = await openSource(`${base}/m`, { backoff: 1, stallTimeout: 300 })
      .then((source) => source.read(0, source.size))
      .catch((e: Error) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
    expect(performance.now() - began).toBeLessThan(10_000);
    for (const timer of timers) clearInterval(timer);
  });
  test("the body of a 404 that never ends, fast or slow, is not read", async () => {
    let sent = 0;
    handler = (_, response) => {
      response.writeHead(404);
      const piece = Buffer.alloc(2 ** 16, "x");
      const more = () => {
        while (!response.destroyed && response.write(piece)) sent += piece.length;
        sent += piece.length;
      };
      response.on("drain", more);
      more();
    };
    const before = process.memoryUsage().arrayBuffers;
    expect((await refusal(`${base}/m`))[0]).toMatch(/answers 404/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 2 ** 20);
    expect(sent).toBeLessThan(64 * 2 ** 20); // socket buffers
    const timers: NodeJS.Timeout[] = [];
    handler = (_, response) => {
      response.writeHead(404);
      timers.push(setInterval(() => response.write("x"), 100));
    };
    const [message, seconds] = await refusal(`${base}/m`);
    expect(message).toMatch(/answers 404/);
    expect(seconds).toBeLessThan(10);
    for (const timer of timers) clearInterval(timer);
  });
  test("answers always cut in half make progress, a byte at a time does not", async () => {
    const cut =
      (at: (length: number) => number): Handler =>
      (request, response) => {
        const part = head(request, response);
        response.write(part.subarray(0, at(part.length)), () => response.destroy());
      };
    let requests = 0;
    const half = cut((length) => Math.ceil(length / 2));
    handler = (request, response) => {
      requests++;
      half(request, response);
    };
    const source = await openSource(`${base}/m`, { backoff: 1 });
    expect(Buffer.compare(await source.read(0, bytes.length), bytes)).toBe(0);
    expect(requests).toBeLessThan(50);
    handler = cut(() => 1);
    expect((await refusal(`${base}/m`))[0]).toMatch(/broke 5 times at byte 5 of/);
  });
  test("a redirect without end", async () => {
    handler = (_, response) => void response.writeHead(302, { location: "/again" }).end();
    const [message] = await refusal(`${base}/m`, { headers: { "x-key": "secret" } });
    expect(message).toMatch(/redirects more than 10 times/);
  });
  test("a redirect to a file", async () => {
    handler = (_, response) => void response.writeHead(302, { location: "file:///etc/passwd" }).end();
    const [message] = await refusal(`${base}/m`, { headers: { "x-key": "secret" } });
    expect(message).toMatch(/not a web address/);
  });
});

describe("the caller's headers", () => {
  const headers = { "X-Key": "secret", Cookie: "session=1", Authorization: "Bearer abc" };
  test("go to the same origin, also after a redirect there", async () => {
    handler = (request, response) => {
      expect(request.headers).toMatchObject({ "x-key": "secret", cookie: "session=1", authorization: "Bearer abc" });
      if (request.url === "/m") response.writeHead(307, { location: "/final" }).end();
      else file(request, response);
    };
    const source = await openSource(`${base}/m`, { headers });
    expect(Buffer.compare(await source.read(0, bytes.length), bytes)).toBe(0);
  });
  test.each([301, 302, 303, 307, 308])("do not follow a redirect (%i) to another origin", async (status) => {
    seen.length = 0;
    handler = (_, response) => void response.writeHead(status, { location: `${elsewhere}/m` }).end();
    const source = await openSource(`${base}/m`, { headers, readAhead: 1000 });
    expect(Buffer.compare(await source.read(0, bytes.length), bytes)).toBe(0);
    expect(seen.length).toBeGreaterThan(1);
    for (const each of seen) {
      expect(each.range).toMatch(/^bytes=/);
      expect(each["x-key"] ?? each.cookie ?? each.authorization).toBeUndefined();
    }
  });
  test("Authorization alone does not either", async () => {
    seen.length = 0;
    handler = (_, response) => void response.writeHead(302, { location: `${elsewhere}/m` }).end();
    await openSource(`${base}/m`, { headers: { Authorization: "Bearer abc" } });
    expect(seen[0]?.authorization).toBeUndefined();
  });
  test("a browser, which would send them along, is not asked to follow", async () => {
    const browser = async () => ({ type: "opaqueredirect", status: 0, ok: false }) as Response;
    await expect(openInBrowser(`${base}/m`, { headers, fetch: browser })).rejects.toThrow(
      /would send the headers X-Key, Cookie along; give the final URL/,
    );
  });
});

describe("URLs in errors", () => {
  test.each([
    ["https://user:pass@h.org/a/b.bin?token=abc#part", "https://h.org/a/b.bin"],
    ["data:image/png;base64,AAAA", "data URL (image/png, 26 characters)"],
    ["data:,hello", "data URL (11 characters)"],
    [`https://h.org/${"a".repeat(500)}`, `https://h.org/${"a".repeat(146)}...`],
  ])("%s", (url, short) => {
    expect(shortUrl(url)).toBe(short);
  });
  test("neither credentials, query nor content appear", async () => {
    handler = (_, response) => void response.writeHead(404).end();
    const secret = `${base.replace("//", "//user:hunter2@")}/x.bin?token=hunter2#hunter2`;
    for (const url of [secret, `data:application/octet-stream;base64,${"hunter2A".repeat(2000)}`]) {
      const error = await openSource(url, { backoff: 1 })
        .then(openCheckpoint)
        .catch((e: Error) => e);
      expect(error).toBeInstanceOf(UserError);
      expect((error as Error).message).not.toMatch(/hunter2/);
      expect((error as Error).message.length).toBeLessThan(300);
    }
    await expect(openSource("ftp://user:hunter2@h.org/x")).rejects.toThrow(/^ftp:\/\/h\.org\/x: expected a path/);
  });
  test("credentials in a URL are sent as a header", async () => {
    let sent: string | undefined;
    handler = (request, response) => {
      sent = request.headers.authorization;
      file(request, response);
    };
    await openSource(`${base.replace("//", "//me:p%40ss@")}/m`);
    expect(sent).toBe(`Basic ${Buffer.from("me:p@ss").toString("base64")}`);
  });
  test("a data URL is a file like any other", async () => {
    const url = `data:application/octet-stream;base64,${Buffer.from(bytes).toString("base64")}`;
    const checkpoint = await openCheckpoint(await urlSource(url));
    expect((await checkpoint.read("a")).length).toBe(50_000);
    expect(checkpoint.file).toMatch(/^data URL/);
  });
});
