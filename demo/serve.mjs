// Serves dist/demo on this computer only:  node demo/serve.mjs [--port N]
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { root } from "../esbuild.mjs";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".map": "application/json",
  ".safetensors": "application/octet-stream",
};

/** The page's own policy, in its HTML, is stricter still, and holds on static hosts too. */
const headers = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' https:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-cache",
};

/** Finds the file that a request names; undefined for anything but a plain file inside the folder. */
async function fileOf(folder, url) {
  let path;
  try {
    path = decodeURIComponent(url.split(/[?#]/, 1)[0]);
  } catch {
    return undefined;
  }
  if (!/^\/(?!\/)/.test(path) || path.includes("\0")) return undefined;
  const file = await realpath(join(folder, path.endsWith("/") ? `${path}index.html` : path)).catch(() => undefined);
  if (!file?.startsWith(folder + sep)) return undefined;
  const info = await stat(file);
  return info.isFile() ? { file, size: info.size, tag: `"${info.size}-${Math.round(info.mtimeMs)}"` } : undefined;
}

/** Reads a Range header: the bytes asked for, "all" without one, undefined where the file does not have them. */
function rangeOf(header, size) {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === undefined || (from === "" && to === "")) return "all";
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(size - 1, Number(to));
  return start <= end ? { start, end } : undefined;
}

/** Starts a server of one folder on 127.0.0.1.  @param {Readonly<Record<string, string>>} more headers beside or in place of
 *  the usual ones  @returns {Promise<{ url: string, close(): void }>} */
export async function serve(folder, port = 0, more = {}) {
  const base = await realpath(folder);
  const server = createServer(async (request, response) => {
    const found = await fileOf(base, request.url ?? "/");
    const answer = (status, own = {}) => response.writeHead(status, { ...headers, ...more, ...own });
    // DNS rebinding: another site's name can resolve to this address; only our own names are served.
    if (!/^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(request.headers.host ?? "")) return answer(403).end();
    if (request.method !== "GET" && request.method !== "HEAD") return answer(405, { Allow: "GET, HEAD" }).end();
    if (!found) return answer(404, { "Content-Type": "text/plain" }).end("not found\n");
    const { file, size, tag } = found;
    const common = {
      "Content-Type": types[extname(file)] ?? "application/octet-stream",
      ETag: tag,
      "Accept-Ranges": "bytes",
    };
    if (request.headers["if-none-match"] === tag) return answer(304, common).end();
    const range = rangeOf(request.headers.range, size);
    if (!range) return answer(416, { "Content-Range": `bytes */${size}` }).end();
    const { start, end } = range === "all" ? { start: 0, end: size - 1 } : range;
    const partial = range === "all" ? {} : { "Content-Range": `bytes ${start}-${end}/${size}` };
    answer(range === "all" ? 200 : 206, { ...common, ...partial, "Content-Length": end - start + 1 });
    if (request.method === "HEAD" || size === 0) return response.end();
    const stream = createReadStream(file, { start, end });
    stream.on("error", () => response.destroy());
    response.on("close", () => stream.destroy());
    stream.pipe(response);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: bound } = server.address();
  return {
    url: `http://127.0.0.1:${bound}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const usage = "usage: npm run demo -- [--port N]   serves dist/demo on 127.0.0.1, port 8064 unless given";

/** @returns {number} the port that the command line asks for @throws {Error} with one line for anything else */
export function portOf(args) {
  const { port = "8064" } = parseArgs({ args, options: { port: { type: "string" } } }).values;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535)
    throw new Error(`--port ${port}: expected a whole number from 0 to 65535`);
  return Number(port);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) console.log(usage);
  else
    try {
      const { url } = await serve(join(root, "dist", "demo"), portOf(args));
      console.log(`demo on ${url} (ctrl-c ends it)`);
    } catch (error) {
      const taken = "the port is taken; give another: npm run demo -- --port N";
      console.error(error.code === "EADDRINUSE" ? taken : `${error.message.split("\n")[0]}\n${usage}`);
      process.exitCode = 2;
    }
}
