import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { runCli } from "../src/cli/cli";
import { DeviceLostError } from "../src/errors";
import type { Model } from "../src/inject/model";
import { fakeContext, fakeEngine } from "./support/fake-engine";
import { ownLines } from "./support/own-lines";
import { lacking, PASSWORD, startPostgres, startRedis, type TestServer } from "./support/servers";

// Grids through a queue: real servers on loopback, real worker processes, a tiny network of random weights.
const root = fileURLToPath(new URL("..", import.meta.url));
const program = join(root, "dist", "cli.js");
const weights = join(root, "test", "golden", "containers", "ddpm.safetensors");
const model = `--model ${weights} --resolution 16 --steps 3 --steps-inversion 3 --batch 1`;
const SLOW = 400_000;

const servers = { redis: startRedis, postgres: startPostgres } as const;
const missing = { redis: await lacking("redis"), postgres: await lacking("postgres") };
for (const [kind, what] of Object.entries(missing))
  if (what) console.warn(`queue tests with ${kind} are skipped: this machine lacks ${what}`);

const folder = mkdtempSync(join(tmpdir(), "injectfusion-queue-"));
const at = (...path: string[]) => join(folder, ...path);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly written: { stdout: string; stderr: string };
  readonly ended: Promise<number | null>;
}

/** Starts the program in the test's folder. */
function start(args: string): Run {
  const child = spawn(process.execPath, [program, ...args.split(" ")], { cwd: folder });
  const written = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => (written.stdout += text));
  child.stderr.on("data", (text) => (written.stderr += text));
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, written, ended: new Promise((resolve) => child.on("close", resolve)) };
}

async function cli(args: string) {
  const { written, ended } = start(args);
  const code = await ended;
  return { code, stdout: written.stdout, stderr: ownLines(written.stderr) };
}

/** Runs the program in this process, in the test's folder, on the stand-in for the library. */
async function here(line: string, overrides: object = {}, interruption = new AbortController()) {
  const { engine, of } = fakeEngine({ name: "ddpm.safetensors", ...overrides } as Partial<Model>);
  const { context, written } = fakeContext(engine, interruption);
  const code = await runCli(line.split(" ").map(inFolder), context);
  return { code, ...written, of };
}

/** Names of the test's folders, with their path. */
const inFolder = (word: string) =>
  /^(?:contents|originals|whole|(?:redis|postgres)-[\w-]+)$/.test(word) ? at(word) : word;

const readPlan = (out: string) =>
  (JSON.parse(readFileSync(at(out, "plan.json"), "utf8")) as { identity: { hash: string } }).identity;

/** Waits until `what` gives something. */
async function until<T>(what: () => T | undefined | false, run?: Run): Promise<T> {
  for (let tries = 0; tries < 3000; tries++) {
    const found = what();
    if (found) return found;
    if (run?.child.exitCode) throw new Error(`ended with ${run.child.exitCode}: ${run.written.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain; ${run?.written.stderr ?? ""}`);
}

const pictures = (out: string) => readdirSync(at(out)).filter((name) => /^\d--\d\.png$/.test(name));
interface Manifest {
  readonly pairs: { readonly file: string; readonly status: string }[];
}
const manifest = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Manifest;
const shardManifests = (out: string) => readdirSync(at(out)).filter((name) => /^manifest\.\d+-of/.test(name));

function expectWhole(out: string): void {
  const whole = pictures("whole");
  expect(pictures(out)).toEqual(whole);
  for (const name of whole)
    expect(readFileSync(at(out, name)).equals(readFileSync(at("whole", name))), name).toBe(true);
  const listed = shardManifests(out).flatMap((name) => manifest(at(out, name)).pairs.map(({ file }) => file));
  expect([listed.length, new Set(listed).size]).toEqual([whole.length, whole.length]);
}

const side = "--contents contents --originals originals";

beforeAll(async () => {
  if (missing.redis && missing.postgres) return;
  execFileSync(process.execPath, [join(root, "build.mjs"), "--quiet"]);
  for (const [name, seed] of Object.entries({ contents: 3, originals: 11 })) {
    mkdirSync(at(name));
    for (let i = 0; i < 6; i++) {
      const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, k) => (k * (seed + i) + 31 * i + (k % 7) * 20) % 256);
      await sharp(data, { raw: { width: 16, height: 16, channels: 3 } }).toFile(at(name, `${i}.png`));
    }
  }
}, SLOW);

/** The grid as one process makes it, once for all tests that compare with it. */
let single: Promise<{ code: number | null; stderr: string }> | undefined;
async function expectSingle(): Promise<void> {
  single ??= cli(`grid ${side} --out whole ${model} --quiet`);
  expect(await single).toMatchObject({ code: 0, stderr: "" });
}

for (const kind of ["redis", "postgres"] as const)
  describe.skipIf(missing[kind])(`a queue on ${kind}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await servers[kind]();
    }, SLOW);
    afterAll(async () => server?.remove());
    const queue = () => `--queue ${server.url}`;
    const work = (more = "") => start(`work ${queue()} --lock 15 ${more}`.trim());
    const untilEmpty = () => `work ${queue()} --until-empty`;
    const enqueue = (out: string, more = "") =>
      `enqueue grid ${side} --out ${out} ${model} --block 2 ${queue()} ${more}`.trim();

    test("two workers, one killed in the middle of a job, the server stopped and started again: as one run", {
      timeout: SLOW,
    }, async () => {
      await expectSingle();
      const out = `${kind}-killed`;
      const waiting = start(enqueue(out, "--wait --json"));
      const [first, second] = [work(), work()];
      // killed once it has made a pair of a block that is not finished
      await until(() => /block \d+\/9 .*pairs made/.test(first.written.stderr), first);
      const before = pictures(out).length;
      await until(() => pictures(out).length > before, first);
      first.child.kill("SIGKILL");
      expect(pictures(out).length).toBeLessThan(36);
      await until(() => shardManifests(out).length >= 4, second);
      await server.stop();
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await server.start();
      expect([await waiting.ended, waiting.written.stderr.match(/failed.*/)?.[0]]).toEqual([0, undefined]);
      expect((JSON.parse(waiting.written.stdout) as Manifest).pairs).toHaveLength(36);
      second.child.kill("SIGTERM");
      expect(await second.ended).toBe(130);
      expectWhole(out);
      expect(manifest(at(out, "manifest.json")).pairs).toHaveLength(36);

      const again = await cli(enqueue(out, "--json"));
      expect([again.code, JSON.parse(again.stdout)]).toMatchObject([0, { blocks: 9, enqueued: 0, queued: 0, done: 9 }]);

      const damaged = at(out, "4--1.png");
      const times = Object.fromEntries(pictures(out).map((name) => [name, statSync(at(out, name)).mtimeMs]));
      writeFileSync(damaged, readFileSync(damaged).subarray(0, -60));
      const mending = await cli(enqueue(out, "--json"));
      expect(JSON.parse(mending.stdout)).toMatchObject({ enqueued: 1, done: 8 });
      const mender = await cli(`work ${queue()} --until-empty`);
      expect([mender.code, mender.stderr]).toEqual([0, expect.stringMatching(/: 1 pairs made, 3 were there/)]);
      expectWhole(out);
      for (const name of pictures(out))
        if (name !== "4--1.png") expect(statSync(at(out, name)).mtimeMs, name).toBe(times[name]);
    });

    test("jobs are enqueued once; workers that cannot do one give it back and end", async () => {
      const out = `${kind}-given-back`;
      const line = enqueue(out, "--json");
      expect(JSON.parse((await here(line)).stdout)).toMatchObject({ blocks: 9, enqueued: 9, queued: 0, done: 0 });
      expect(JSON.parse((await here(line)).stdout)).toMatchObject({ enqueued: 0, queued: 9 });
      const { hash } = readPlan(out);

      const stranger = await here(untilEmpty());
      expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringMatching(/error: --model: holds other weights \(00\) than the job asks for \(\w{12}\)/)]); // biome-ignore format: one line reads better
      renameSync(at(out), at(`${out}-elsewhere`));
      const lost = await here(untilEmpty(), { hash });
      expect([lost.code, lost.stderr]).toEqual([1, expect.stringMatching(/error: .*given-back: no such folder on this machine/)]); // biome-ignore format: one line reads better
      renameSync(at(`${out}-elsewhere`), at(out));
      const broken = await here(untilEmpty(), { hash, inject: () => Promise.reject(new DeviceLostError("the GPU device was lost")) }); // biome-ignore format: one line reads better
      expect([broken.code, broken.of("openDevice").length]).toEqual([1, 3]);
      expect(pictures(out)).toEqual([]);

      let losses = 0;
      const { model: fake } = fakeEngine();
      const inject: Model["inject"] = async (run) => {
        if (++losses === 2) throw new DeviceLostError("the GPU device was lost");
        return fake.inject(run);
      };
      const sound = await here(untilEmpty(), { hash, inject });
      expect([sound.code, sound.of("openDevice").length]).toEqual([0, 2]);
      expect(pictures(out)).toHaveLength(36);
      expect(JSON.parse((await here(line)).stdout)).toMatchObject({ enqueued: 0, queued: 0, done: 9 });
      const merged = await here(`${line} --wait`);
      expect([merged.code, (JSON.parse(merged.stdout) as Manifest).pairs.length]).toEqual([0, 36]);
    });

    test("cancelled, a job stops in the middle, and those that wait are gone; enqueued again, they go on", async () => {
      const out = `${kind}-cancelled`;
      await here(enqueue(out));
      const { hash } = readPlan(out);
      let began = false;
      let stopped: unknown;
      const inject: Model["inject"] = (run) =>
        new Promise((_, reject) => {
          began = true;
          run.signal!.addEventListener("abort", () => {
            stopped = run.signal!.reason;
            reject(stopped as Error);
          });
        });
      const interruption = new AbortController();
      const worker = here(`work ${queue()}`, { hash, inject }, interruption);
      await until(() => began);
      const cancelled = await here(`enqueue cancel --out ${out} ${queue()} --json`);
      expect([cancelled.code, JSON.parse(cancelled.stdout)]).toMatchObject([0, { removed: 8, stopped: 1 }]);
      await until(() => stopped);
      expect(stopped).toMatchObject({ message: "cancelled" });
      const nothing = await here(`enqueue cancel --out ${out} ${queue()}`);
      expect([nothing.code, nothing.stderr]).toEqual([
        1,
        expect.stringMatching(/no block of this grid is in the queue/),
      ]);

      // stopped by hand, a worker gives its job back
      began = false;
      stopped = undefined;
      expect(JSON.parse((await here(enqueue(out, "--json"))).stdout)).toMatchObject({ enqueued: 9 });
      await until(() => began);
      interruption.abort();
      expect((await worker).code).toBe(130);
      expect(stopped).toBeDefined();
      expect((await here(untilEmpty(), { hash })).code).toBe(0);
      expect(pictures(out)).toHaveLength(36);
    });

    test("a worker lets its device go when no job comes, and opens it again for the next", async () => {
      const [first, second] = [`${kind}-early`, `${kind}-late`];
      await here(enqueue(first));
      const { hash } = readPlan(first);
      const interruption = new AbortController();
      const worker = here(`work ${queue()} --idle 0.2`, { hash }, interruption);
      await until(() => shardManifests(first).length === 9);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await here(enqueue(second));
      await until(() => shardManifests(second).length === 9);
      interruption.abort();
      const { code, of, stderr } = await worker;
      expect([code, of("openDevice").length, of("destroy device").length]).toEqual([130, 2, 2]);
      expect(stderr).toMatch(/no job for 0\.2 s: the device is let go/);
    });

    test("a bad picture fails its block for good, with its line; the other pairs are made", async () => {
      const few = `${kind}-few`;
      mkdirSync(at(few));
      for (const name of ["0.png", "1.png"]) copyFileSync(at("contents", name), at(few, name));
      writeFileSync(at(few, "2.png"), "no picture");
      const out = `${kind}-bad`;
      const line = `enqueue grid --contents ${few} --originals ${few} --out ${out} ${model} --block 3 ${queue()}`;
      expect((await here(line)).code).toBe(0);
      const worker = await here(untilEmpty(), { hash: readPlan(out).hash });
      expect([worker.code, worker.stderr]).toEqual([0, expect.stringMatching(/failed: block 1\/1: 5 pairs failed: .*2\.png: is not a picture/)]); // biome-ignore format: one line reads better
      expect(pictures(out)).toHaveLength(4);
      const after = await here(`${line} --wait`);
      expect([after.code, after.stderr]).toEqual([1, expect.stringMatching(/5 of 9 pairs failed/)]);
    });

    test("a job that is none, and a plan that was changed, fail for good; the worker goes on", async () => {
      const out = `${kind}-changed`;
      await here(enqueue(out));
      const { hash } = readPlan(out);
      writeFileSync(
        at(out, "plan.json"),
        readFileSync(at(out, "plan.json"), "utf8").replace('"gamma": 0.3', '"gamma": 0.9'),
      );
      const worker = await here(untilEmpty(), { hash });
      expect(worker.code).toBe(0);
      expect(worker.stderr.match(/failed: block \d\/9: .*plan\.json: is no plan of a grid/g)).toHaveLength(9);
    });

    test("a wrong password and a server that is gone are one line without the password", async () => {
      const wrong = await here(`work --queue ${server.url.replace(PASSWORD, "hunter2")}`);
      expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/^error: --queue \w+:\/\/127.*: the server refuses this user or password\n$/)]); // biome-ignore format: one line reads better
      const gone = await here(`work --queue ${server.url.replace(/127\.0\.0\.1:\d+/, "127.0.0.1:9")}`);
      expect([gone.code, gone.stderr]).toEqual([1, expect.stringMatching(/no server answers there \(ECONNREFUSED\)/)]);
      const silent = createServer((socket) => void socket.on("data", () => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"))); // biome-ignore format: one line reads better
      await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
      const { port } = silent.address() as { port: number };
      const other = await here(`work --queue ${server.url.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${port}`)}`);
      silent.close();
      expect([other.code, other.stderr.split("\n").length]).toEqual([1, 2]);
      expect(other.stderr).toMatch(/^error: --queue \w+:\/\/127.*: /);
      expect(wrong.stderr + gone.stderr + other.stderr).not.toMatch(/hunter2|correct-horse/);
    });
  });

describe.skipIf(missing.redis)("what is no queue", () => {
  test.each([
    ["work --queue http://user:secret@host/", 2, /^error: --queue http:\/\/host\/: is no queue; expected redis:\/\//m],
    ["work --queue user:secret@host", 2, /^error: --queue: is no queue; expected redis:\/\//m],
    ["work", 2, /--queue <url>/],
    ["enqueue cancel --out contents --queue redis://127.0.0.1:9", 1, /plan\.json: no such file/],
    [`enqueue grid ${side} --out contents --queue redis://127.0.0.1:9`, 2, /is the folder of --contents/],
  ])("%s", async (line, code, message) => {
    const run = await here(line);
    expect([run.code, run.stdout]).toEqual([code, ""]);
    expect(run.stderr).toMatch(message);
    expect(run.stderr).not.toMatch(/secret/);
  });
});
