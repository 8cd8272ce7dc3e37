// node esbuild.mjs bench/checkpoint-memory.ts [NAME]: files whose name begins so
// Loads files of the size of the paper's models (455 MB; sparse, so quick to make) as `loadModel` does: read, checked, hashed,
// packed for a GPU and written to its queue, tensor by tensor, in a process of its own each. The queue forgets what it is given,
// so that the memory measured is the host's alone. Prints the peak of the resident memory over that of a process that only
// loads the same code (and, for URLs, has fetched one byte).
import { execFile } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { expectedTensors } from "../src/model/checkpoint/expected";
import { openModelCheckpoint } from "../src/model/checkpoint/model";
import { openSource } from "../src/model/checkpoint/source-node";
import type { UNetConfig } from "../src/model/config";
import { Network } from "../src/model/network";
import { ADM_256, DDPM_256 } from "../test/checkpoint-models";
import { type State, stateFile, torchLegacy } from "../test/checkpoint-writers";
import { forgetfulDevice } from "../test/support/forgetful";

const MIB = 2 ** 20;

/** A safetensors or legacy file of a configuration, all zeros: only its front is written, the rest is a hole. */
async function makeFile(path: string, config: UNetConfig, container: "safetensors" | "legacy"): Promise<number> {
  const shapes = [...expectedTensors(config)];
  const bytes = (shape: readonly number[]) => 4 * shape.reduce((a, b) => a * b, 1);
  const file = await open(path, "w");
  let at = 0;
  if (container === "safetensors") {
    let end = 0;
    const header: Record<string, unknown> = {};
    for (const [name, shape] of shapes)
      header[name] = { dtype: "F32", shape, data_offsets: [end, (end += bytes(shape))] };
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    await file.write(Buffer.concat([length, text]));
    at = 8 + text.length + end;
  } else {
    // Pickles with the real counts in front of storages that are holes.
    const state: State = new Map(shapes.map(([name, shape]) => [name, { shape, values: hollow(bytes(shape) / 4) }]));
    const { object } = stateFile(state);
    const storages = new Map(shapes.map((_, i) => [String(i), new Uint8Array(0)]));
    const front = torchLegacy({ object, storages });
    await file.write(front, 0, front.length - 8 * shapes.length);
    at = front.length - 8 * shapes.length;
    for (const [, shape] of shapes) {
      const count = Buffer.alloc(8);
      count.writeBigUInt64LE(BigInt(bytes(shape) / 4));
      await file.write(count, 0, 8, at);
      at += 8 + bytes(shape);
    }
  }
  await file.truncate(at);
  await file.close();
  return Math.max(...shapes.map(([, shape]) => bytes(shape)));
}

/** All length and no content: enough for the pickler. */
const hollow = (length: number) =>
  ({ length, buffer: new ArrayBuffer(0), byteOffset: 0, byteLength: 0 }) as unknown as Float32Array;

/** In a child: loads everything, prints the peak resident bytes and the time. */
async function measure(from: string): Promise<void> {
  const began = performance.now();
  let sum = 0;
  if (from.startsWith("idle")) {
    const url = from.slice("idle".length); // a process that has used the network once
    if (url) await (await fetch(url, { headers: { range: "bytes=0-0" } })).arrayBuffer();
  } else {
    const model = await openModelCheckpoint(await openSource(from));
    const network = await Network.load(model, forgetfulDevice());
    sum = network.parameters;
    model.close();
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(JSON.stringify({ peak: process.resourceUsage().maxRSS * 1024, seconds, sum }));
}

/** Serves a folder in ranges. */
function serve(folder: string) {
  return createServer((request, response) => {
    const path = join(folder, basename(request.url ?? ""));
    const { size } = statSync(path);
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    const start = Number(from ?? 0);
    const end = Math.min(size - 1, Number(to ?? size - 1));
    response.writeHead(206, { "content-length": end - start + 1, "content-range": `bytes ${start}-${end}/${size}` });
    createReadStream(path, { start, end }).pipe(response);
  });
}

interface Measured {
  readonly peak: number;
  readonly seconds: number;
  readonly sum: number;
}

async function child(from: string): Promise<Measured> {
  const { stdout } = await promisify(execFile)(process.execPath, [process.argv[1]!, "--measure", from]);
  return JSON.parse(stdout) as Measured;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "checkpoint-memory-"));
  const server = serve(folder).listen(0, "127.0.0.1");
  try {
    const report = async (from: string, largest: number) => {
      const idle = (await child(from.startsWith("http") ? `idle${from}` : "idle")).peak;
      const { peak, seconds, sum } = await child(from);
      const [over, allowed] = [(peak - idle) / MIB, 64 + largest / MIB];
      const round = (x: number) => Math.round(x * 10) / 10;
      const line = { from: from.startsWith("http") ? "URL" : "path", file: basename(from), parameters: sum };
      const measured = {
        seconds: round(seconds),
        largestTensorMiB: round(largest / MIB),
        peakOverIdleMiB: round(over),
      };
      console.log(JSON.stringify({ ...line, ...measured, allowedMiB: round(allowed), ok: over <= allowed }));
    };
    for (const [name, config, container] of [
      ["ddpm-256.safetensors", DDPM_256, "safetensors"],
      ["ddpm-256.ckpt", DDPM_256, "legacy"],
      ["adm-256.safetensors", ADM_256, "safetensors"],
    ] as const) {
      if (!name.startsWith(process.argv[2] ?? "")) continue;
      const path = join(folder, name);
      const largest = await makeFile(path, config, container);
      await report(path, largest);
      if (config === DDPM_256)
        await report(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`, largest);
    }
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const at = process.argv.indexOf("--measure");
if (at > 0) await measure(process.argv[at + 1]!);
else await main();
