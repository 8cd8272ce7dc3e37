import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/cli/cli";
import type { Engine } from "../src/cli/engine";
import type { Device } from "../src/gpu/device";
import { Model } from "../src/inject/model";
import { identifyModel } from "../src/load";
import { openSource } from "../src/model/checkpoint/source-node";
import * as node from "../src/node";
import { fakeContext } from "./support/fake-engine";

// Grids larger than their memory, on a real device with a tiny network of random weights (16x16 pixels).
const folder = mkdtempSync(join(tmpdir(), "injectfusion-memory-"));
const at = (...path: string[]) => join(folder, ...path);

beforeAll(async () => {
  for (const [name, count] of [
    ["contents", 3],
    ["originals", 4],
  ] as const) {
    mkdirSync(at(name));
    for (let i = 0; i < count; i++) {
      const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, k) => (k * (7 + i) + 13 * name.length) % 256);
      await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
        .blur(1)
        .toFile(at(name, `${i}.png`));
    }
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let opened: Promise<Device> | undefined;
let destroy: (() => void) | undefined;
afterAll(() => destroy?.());

/** One device for all runs of this file: compiling its pipelines takes longest. */
const openDevice = () => {
  opened ??= node.openDevice().then((device) => {
    destroy = device.destroy.bind(device);
    return Object.assign(device, { destroy: () => {} });
  });
  return opened;
};

/** Runs a grid in this process. @returns how many pictures were inverted and how many pairs injected */
async function grid(out: string, flags = "") {
  const count = { inverted: 0, injected: 0 };
  const { invert, inject } = Model.prototype;
  Model.prototype.invert = function (images, options) {
    count.inverted += (images as unknown[]).length;
    return invert.call(this, images, options);
  };
  Model.prototype.inject = async function (options) {
    const result = await inject.call(this, options);
    count.injected += result.count;
    return result;
  };
  try {
    const { context, written } = fakeContext({ ...node, openDevice } as unknown as Engine);
    const model = "test/golden/containers/ddpm.safetensors --resolution 16 --steps 3 --steps-inversion 3";
    const line = `grid --contents ${at("contents")} --originals ${at("originals")} --out ${at(out)} --model ${model} --batch 2 --quiet ${flags}`;
    const code = await runCli(line.trim().split(" "), context);
    return { code, ...written, ...count };
  } finally {
    Object.assign(Model.prototype, { invert, inject });
  }
}

const results = (out: string) =>
  Object.fromEntries(
    readdirSync(at(out))
      .filter((name) => /^\d--\d\.png$/.test(name))
      .map((name) => [name, readFileSync(at(out, name)).toString("base64")]),
  );

test("whatever is kept of inversions, the results are the same files", async () => {
  const all = await grid("all");
  expect([all.code, all.stderr, all.inverted, all.injected]).toEqual([0, "", 7, 12]);
  const whole = results("all");
  expect(Object.keys(whole)).toHaveLength(12);
  const none = await grid("none", "--keep 0");
  expect([none.code, none.injected]).toEqual([0, 12]);
  expect(none.inverted).toBeGreaterThan(7);
  expect(results("none")).toEqual(whole);
  expect(statSync(at("none", "sheet.png")).size).toBe(statSync(at("all", "sheet.png")).size);
});

test("a model is identified without a device as it is with one", async () => {
  const source = await openSource("test/golden/containers/ddpm.safetensors");
  const { hash } = JSON.parse(readFileSync(at("all", "manifest.json"), "utf8")) as { hash: string };
  expect(await identifyModel(source, { resolution: 16 })).toBe(hash);
});

test("inversions on disk: made once, used by every later grid, made again when damaged", async () => {
  const flags = `--keep 0 --inversions ${at("kept")}`;
  const first = await grid("first", flags);
  expect([first.code, first.inverted]).toEqual([0, 7]);
  expect(readdirSync(at("kept"))).toHaveLength(7);
  expect(results("first")).toEqual(results("all"));
  const other = await grid("stronger", `--gamma 0.9 ${flags}`);
  expect([other.code, other.inverted, other.injected]).toEqual([0, 0, 12]);
  expect(results("stronger")).not.toEqual(results("all"));
  const [name] = readdirSync(at("kept"));
  const bytes = readFileSync(at("kept", name!));
  bytes[bytes.length - 5]! ^= 255;
  writeFileSync(at("kept", name!), bytes);
  const mended = await grid("mended", flags);
  expect([mended.code, mended.inverted]).toEqual([0, 1]);
  expect(results("mended")).toEqual(results("all"));
  const longer = await grid("longer", `${flags} --steps-inversion 4`);
  expect([longer.code, longer.inverted]).toEqual([0, 7]); // another recipe
});

test("a result of ours that was damaged is made again, alone", async () => {
  const file = at("all", "3--2.png");
  const whole = readFileSync(file);
  writeFileSync(file, whole.subarray(0, whole.length - 40));
  const run = await grid("all");
  expect([run.code, run.inverted, run.injected]).toEqual([0, 2, 1]);
  expect(readFileSync(file).equals(whole)).toBe(true);
});

test.each([
  ["--keep lots", 2, /must look like "2GiB"/],
  ["--inversions /proc/nowhere/deep", 1, /--inversions .*the folder above it does not exist/],
])("refused: %s", async (flags, code, message) => {
  const run = await grid("refused", flags);
  expect([run.code, run.inverted]).toEqual([code, 0]);
  expect(run.stderr).toMatch(message);
});
