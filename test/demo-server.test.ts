import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serve } from "../demo/serve.mjs";

const base = mkdtempSync(join(tmpdir(), "injectfusion-serve-"));
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  mkdirSync(join(base, "site", "sub"), { recursive: true });
  writeFileSync(join(base, "secret.txt"), "secret");
  writeFileSync(join(base, "site-secret.txt"), "secret");
  writeFileSync(join(base, "site", "index.html"), "<!doctype html>page");
  writeFileSync(join(base, "site", "data.bin"), "0123456789");
  symlinkSync(join(base, "secret.txt"), join(base, "site", "link.txt"));
  server = await serve(join(base, "site"));
});

afterAll(() => {
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** One request with its path as it stands: `fetch` would tidy it up first. */
const ask = (path: string, { method = "GET", headers = {}, host = "127.0.0.1" } = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(server.url);
    const asked = request({ host, port, path, method, headers }, (response) => {
      let body = "";
      response.on("data", (chunk) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    asked.on("error", reject);
    asked.end();
  });

test("serves its folder, with a strict policy", async () => {
  const { status, body, headers } = await ask("/");
  expect([status, body]).toEqual([200, "<!doctype html>page"]);
  const policy = String(headers["content-security-policy"]);
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
    expect(policy).toContain(part);
  expect(policy).not.toMatch(/unsafe-|\*/);
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

test.each([
  "/../secret.txt",
  "/%2e%2e/secret.txt",
  "/..%2fsecret.txt",
  "/sub/../../secret.txt",
  "/sub/%2e%2e/%2e%2e/secret.txt",
  "/..%5csecret.txt",
  "/%2e%2e%2fsecret.txt",
  "/../site-secret.txt",
  "//secret.txt",
  "/link.txt",
  "/sub",
  "/index.html%00.png",
  "/%ff",
  "/%",
  "http://other.example/../secret.txt",
])("never leaves its folder: %s", async (path) => {
  const { status, body } = await ask(path);
  expect(status).toBe(404);
  expect(body).toBe("not found\n");
});

test("answers on the loopback address only, and only to its own names", async () => {
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address && !address.internal && address.family === "IPv4");
  if (outside) await expect(ask("/", { host: outside.address })).rejects.toThrow("ECONNREFUSED");
  expect((await ask("/", { headers: { host: "rebound.example" } })).status).toBe(403);
  expect((await ask("/", { headers: { host: "localhost" } })).status).toBe(200);
});

test("answers GET and HEAD, whole or in ranges", async () => {
  expect((await ask("/data.bin", { method: "POST" })).status).toBe(405);
  expect(await ask("/data.bin", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
  const range = (value: string) => ask("/data.bin", { headers: { range: value } });
  expect(await range("bytes=2-4")).toMatchObject({ status: 206, body: "234" });
  expect(await range("bytes=-3")).toMatchObject({ status: 206, body: "789" });
  expect(await range("bytes=8-")).toMatchObject({ status: 206, body: "89" });
  expect((await range("bytes=10-")).status).toBe(416);
});
