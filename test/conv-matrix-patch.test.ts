import { expect, test } from "vitest";
import { create, globals } from "webgpu";
import { matrixPatch, type PatchTile, patchMatrices, patchTiles } from "../src/kernels/conv/matrix-patch";
import { candidates } from "../src/kernels/conv/tuner-variants";
import { convShape } from "../src/kernels/conv/variant";
import type { MatrixConfig } from "../src/kernels/target";
import { type ConvCase, convData, convReference } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { shaders } from "../src/wgsl/shaders";
import { specialise } from "../src/wgsl/specialise";
import { allShaders } from "../src/wgsl/tuner-shaders";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { emulated, targetWith } from "./support/matrices";
import { roundedWeights } from "./support/rounded-weights";

// No adapter here has subgroup matrices. As for conv/matrix, the shader is compiled by the back end of Dawn that has every feature,
// and its arithmetic runs with plain functions in place of the matrix built-ins.

const f32x8: MatrixConfig = { component: "f32", m: 8, n: 8, k: 8 };
const f16x16: MatrixConfig = { component: "f16", m: 16, n: 16, k: 16 };
const f16x8: MatrixConfig = { component: "f16", m: 16, n: 8, k: 16 };
const h100 = targetWith([f16x16, f16x8, { ...f16x8, k: 8 }], { weights: "f16", workgroupBytes: 49152 });

test("tiles: every matrix is somebody's, inside one row of the block, in the memory of an H100", () => {
  const found = patchTiles.map((tile) => ({ tile, divided: patchMatrices(tile, h100)! }));
  for (const { tile, divided } of found) {
    const { m, n, subgroups, across, rows, columns } = divided;
    expect((subgroups / across) * rows * m).toBe(tile.tileM);
    expect(across * columns * n).toBe(tile.height * tile.width);
    expect(tile.width % n).toBe(0);
  }
  expect(found.map(({ divided }) => [divided.n, divided.depth, divided.rows, divided.columns])).toEqual([
    [16, 16, 4, 4],
    [16, 16, 2, 4],
    [16, 32, 1, 2],
    [8, 32, 1, 1],
  ]);
});

test("tiles: for 3x3 convolutions of stride 1 that fill half of them, and only tuned", () => {
  const shape = convShape({ kernel: 3, n: 1, c1: 128, oc: 128, h: 32, w: 32 });
  const running = (s: typeof shape, t = h100) => patchTiles.filter((tile) => matrixPatch(tile).runs(s, t)).length;
  expect(running(shape)).toBe(4);
  expect(running({ ...shape, stride: 2 })).toBe(0);
  expect(running({ ...shape, kernel: 1 })).toBe(0);
  expect(running({ ...shape, h: 8, w: 8 })).toBe(1);
  expect(running(shape, { ...h100, weights: "f32" })).toBe(0);
  const [chosen, ...others] = candidates(shape, h100);
  expect(chosen!.name).toBe("F(4,3) tile");
  expect(others.map(({ name }) => name)).toContain("matrix patch 128x16x16");
});

interface Case extends ConvCase {
  readonly tile: PatchTile;
  readonly config: MatrixConfig;
  readonly maxLanes: number;
  readonly weights: "f32" | "f16";
  readonly splits?: number;
}

const small: PatchTile = { tileM: 32, height: 4, width: 8 };
const on: Pick<Case, "kernel" | "tile" | "config" | "maxLanes" | "weights"> = {
  kernel: 3,
  tile: small,
  config: f32x8,
  maxLanes: 32,
  weights: "f32",
};
const cases: Record<string, Case> = {
  "one pixel, one channel": { ...on, n: 1, c1: 1, oc: 1, h: 1, w: 1 },
  "whole blocks, two chunks": { ...on, n: 1, c1: 64, oc: 32, h: 8, w: 16, splits: 1 },
  "odd plane, batch of two, everything": {
    ...on,
    weights: "f16",
    maxLanes: 64,
    n: 2,
    c1: 19,
    c2: 30,
    oc: 35,
    h: 5,
    w: 11,
    silu: true,
    skipN: 1,
    normN: 2,
    tembN: 1,
    residualN: 2,
    splits: 1,
  },
  "split channels, more parts asked for than there are": {
    ...on,
    config: { ...f32x8, m: 16, k: 16 },
    maxLanes: 128,
    n: 2,
    c1: 70,
    oc: 40,
    h: 9,
    w: 9,
    normN: 1,
    silu: true,
    residualN: 1,
    tembN: 2,
    splits: 16,
  },
  "enlarged first": { ...on, config: { ...f32x8, m: 16, k: 4 }, n: 1, c1: 20, oc: 33, h: 5, w: 3, upsample: true },
  "wide blocks": {
    ...on,
    tile: { tileM: 32, height: 4, width: 16 },
    config: { ...f32x8, n: 16 },
    weights: "f16",
    n: 1,
    c1: 33,
    oc: 17,
    h: 6,
    w: 21,
    silu: true,
    normN: 1,
  },
};

for (const [name, { tile, config, maxLanes, weights, splits, ...s }] of Object.entries(cases))
  test(`${name}: ${tile.tileM}x${tile.height}x${tile.width}, matrices ${config.m}x${config.n}x${config.k}, ${weights} weights`, async () => {
    Object.assign(shaders, { "conv/matrix_patch_emulated": emulated(allShaders["conv/matrix_patch"], "col_major") });
    const target = targetWith([config], { maxLanes, weights, workgroupBytes: 32768 });
    const data = convData(s);
    const { dispatches, inputs, y } = convRun(s, data, matrixPatch(tile, splits ? { splits } : {}), target);
    const emulation = dispatches.map((d) =>
      d.shader === "conv/matrix_patch" ? { ...d, shader: "conv/matrix_patch_emulated" } : d,
    );
    expect(emulation.map(({ shader }) => shader)).toContain("conv/matrix_patch_emulated");
    const [actual] = await runDispatches(emulation, inputs, [y]);
    const expected = convReference(s, weights === "f16" ? roundedWeights(data) : data);
    expectClose(actual!, expected, y.shape, { rtol: 0, atol: 5e-6 });
  });

test("Dawn compiles the shader with the built-ins, for every tile of an H100 and those in f32 that fit 64 KiB", async () => {
  Object.assign(globalThis, globals);
  const gpu = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  const adapter = await gpu.requestAdapter();
  const requiredFeatures = ["chromium-experimental-subgroup-matrix", "subgroups", "shader-f16"] as GPUFeatureName[];
  const device = await adapter!.requestDevice({ requiredFeatures });
  const s = cases["odd plane, batch of two, everything"]!;
  const targets = [h100, targetWith([f32x8], { workgroupBytes: 65536 })];
  const fitting = targets.map((target) => patchTiles.filter((tile) => patchMatrices(tile, target)));
  expect(fitting.map(({ length }) => length)).toEqual([4, 3]);
  try {
    for (const [i, target] of targets.entries())
      for (const tile of fitting[i]!) {
        const { dispatches } = convRun(s, convData(s), matrixPatch(tile), target);
        const { constants } = dispatches.find(({ shader }) => shader === "conv/matrix_patch")!;
        const { code } = specialise("conv/matrix_patch", allShaders["conv/matrix_patch"], constants);
        device.pushErrorScope("validation");
        const module = device.createShaderModule({ code });
        expect((await device.popErrorScope())?.message).toBeUndefined();
        expect((await module.getCompilationInfo()).messages).toEqual([]);
      }
  } finally {
    device.destroy();
  }
});
