import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Pixels } from "../src/api";
import { conventions, inputTensor, pooled } from "../src/metrics/features";
import { openOnnx } from "../src/platform/onnx-node";
import { tinyOnnx } from "./support/onnx";

const flat = (r: number, g: number, b: number, side = 2): Pixels => ({
  data: Uint8Array.from({ length: side * side * 4 }, (_, i) => [r, g, b, 255][i % 4]!),
  width: side,
  height: side,
});

test("input conventions: planes in the order R, G, B, values as each network wants them", () => {
  const size = { width: 2, height: 2 };
  const [red, blue] = [flat(255, 0, 127.5), flat(0, 0, 255)];
  const x = inputTensor([red, blue], { ...conventions.arcface, ...size });
  expect([...x.subarray(0, 8)].map(Math.round)).toEqual([1, 1, 1, 1, -1, -1, -1, -1]);
  expect(x[20]).toBeCloseTo(1, 6); // blue of the second picture
  const vgg = inputTensor([red], { ...conventions.vgg, ...size });
  expect(vgg[0]).toBeCloseTo((1 - 0.485) / 0.229, 5);
});

test("pooled: the mean over places of every channel", () => {
  expect([...pooled({ channels: 2, plane: 2, values: Float32Array.of(1, 3, -2, 4) })]).toEqual([2, 1]);
});

const installed = (() => {
  try {
    createRequire(import.meta.url).resolve("onnxruntime-node");
    return true;
  } catch {
    return false;
  }
})();
const folder = mkdtempSync(join(tmpdir(), "injectfusion-onnx-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (bytes: Uint8Array | string) => {
  writeFileSync(join(folder, "net.onnx"), bytes);
  return join(folder, "net.onnx");
};

test.skipIf(installed)("without the optional runtime, a feature network says what to install", async () => {
  await expect(openOnnx(file("x"), conventions.vgg)).rejects.toThrow(/npm install onnxruntime-node/);
});

describe.skipIf(!installed)("feature networks in ONNX", () => {
  test("vectors and feature maps, more pictures than a batch", async () => {
    const net = await openOnnx(file(tinyOnnx([1, 0, 0, 0, 1, -1], 2)), { ...conventions.arcface, width: 4, height: 4 });
    expect(net.sha256).toMatch(/^[0-9a-f]{64}$/);
    const pictures = Array.from({ length: 11 }, (_, i) => flat(255, 0, i * 25));
    const all = await net.embed(pictures);
    expect(all).toHaveLength(11);
    expect([...all[10]!.vector].map((v) => Math.round(v * 100) / 100)).toEqual([1, -1.96]);
    expect(all[0]!.layers.map(({ channels, plane }) => [channels, plane])).toEqual([[2, 16]]);
  });

  test("what is no network is refused in one line", async () => {
    await expect(openOnnx(file("no network"), conventions.vgg)).rejects.toThrow(/is no ONNX network that can be run/);
  });
});
