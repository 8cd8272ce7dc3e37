import { expect, test } from "vitest";
import { create, globals } from "webgpu";
import { PipelineCache } from "../src/gpu/pipelines";
import { matrix, matrixTile, matrixTiles } from "../src/kernels/conv/matrix";
import { convShape } from "../src/kernels/conv/variant";
import type { MatrixConfig, Target } from "../src/kernels/target";
import { type ConvCase, convData, convReference } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { shaders } from "../src/wgsl/shaders";
import { allShaders } from "../src/wgsl/tuner-shaders";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { emulated, targetWith } from "./support/matrices";
import { roundedWeights } from "./support/rounded-weights";

Object.assign(shaders, allShaders); // as kernels/conv/tuner-variants.ts does

// No adapter here has subgroup matrices. So the shader is compiled, by the back end of Dawn that has every feature and
// executes nothing, and its arithmetic runs with plain functions in place of the matrix built-ins.

const f32x8: MatrixConfig = { component: "f32", m: 8, n: 8, k: 8 };
const f16x16: MatrixConfig = { component: "f16", m: 16, n: 16, k: 16 };

/** The tiles that run here, with the matrices that they are divided into. */
const tilesFor = (oc: number, side: number, target: Target) =>
  matrixTiles.flatMap((tile) =>
    matrix(tile).runs(convShape({ kernel: 3, n: 1, c1: 16, oc, h: side, w: side }), target)
      ? [{ tile, matrix: matrixTile(tile, target)! }]
      : [],
  );

test("tiles: those that less than half is wasted of, in the largest matrices that each divides into", () => {
  const configs = [f32x8, { ...f32x8, m: 16, n: 16 }, { ...f32x8, n: 12 }];
  const found = tilesFor(128, 64, targetWith(configs, { workgroupBytes: 32768 }));
  const shapes = found.map(({ tile, matrix }) => [
    tile.tileM,
    tile.tileN,
    matrix.m,
    matrix.depth,
    matrix.rows,
    matrix.columns,
  ]);
  expect(shapes).toEqual([
    [128, 256, 8, 16, 8, 8],
    [128, 128, 16, 16, 2, 4],
    [64, 64, 16, 32, 1, 2],
    [32, 32, 16, 32, 1, 1],
  ]);
});

test("tiles: every matrix is somebody's, whatever the subgroups", () => {
  for (const maxLanes of [8, 16, 32, 64, 128])
    for (const oc of [3, 32, 64, 200])
      for (const { tile, matrix } of tilesFor(oc, 64, targetWith([f32x8, { ...f32x8, m: 16, k: 4 }], { maxLanes }))) {
        const { m, n, subgroups, across, rows, columns } = matrix;
        expect((subgroups / across) * rows * m, `${maxLanes} lanes, ${oc} channels`).toBe(tile.tileM);
        expect(across * columns * n).toBe(tile.tileN);
        expect(subgroups * maxLanes).toBeLessThanOrEqual(256);
      }
});

test("tiles: f16 operands for f16 weights only, and only where shaders have f16", () => {
  expect(tilesFor(64, 64, targetWith([f16x16]))).toEqual([]);
  expect(tilesFor(64, 64, targetWith([f16x16], { weights: "f16", f16: false }))).toEqual([]);
  expect(tilesFor(64, 64, targetWith([f16x16], { weights: "f16" }))).toHaveLength(2);
  const { matrices: _, ...none } = targetWith([]);
  expect(tilesFor(64, 64, none)).toEqual([]);
});

interface Case extends ConvCase {
  readonly config: MatrixConfig;
  readonly maxLanes: number;
  readonly weights: "f32" | "f16";
  readonly splits?: number;
}

const f32x16: MatrixConfig = { component: "f32", m: 8, n: 16, k: 16 };
const cases: Record<string, Case> = {
  "1x1": { config: f32x8, maxLanes: 32, weights: "f32", kernel: 1, n: 1, c1: 9, oc: 36, h: 4, w: 4, silu: true },
  "1x1, odd plane, batch of two": {
    config: { component: "f32", m: 16, n: 16, k: 4 },
    maxLanes: 128,
    weights: "f16",
    kernel: 1,
    n: 2,
    c1: 19,
    oc: 7,
    h: 5,
    w: 7,
  },
  "3x3, more channels than a tile, join, everything after": {
    config: f32x16,
    maxLanes: 16,
    weights: "f32",
    kernel: 3,
    n: 2,
    c1: 4,
    c2: 3,
    oc: 70,
    h: 3,
    w: 5,
    splits: 3,
    silu: true,
    skipN: 1,
    normN: 2,
    tembN: 2,
    residualN: 1,
  },
  "3x3, stride 2": {
    config: f32x16,
    maxLanes: 16,
    weights: "f32",
    kernel: 3,
    n: 1,
    c1: 5,
    oc: 24,
    h: 6,
    w: 10,
    stride: 2,
  },
  "3x3, upsampled": {
    config: f32x16,
    maxLanes: 16,
    weights: "f32",
    kernel: 3,
    n: 1,
    c1: 4,
    oc: 9,
    h: 4,
    w: 3,
    upsample: true,
  },
};

for (const [name, { config, maxLanes, weights, splits = 1, ...s }] of Object.entries(cases))
  test(`${name}: matrices ${config.m}x${config.n}x${config.k}, ${maxLanes} lanes, ${weights} weights`, async () => {
    Object.assign(shaders, { "conv/matrix_emulated": emulated(allShaders["conv/matrix"], "row_major") });
    const variant = matrix({ tileM: 32, tileN: 32 }, { splits });
    const target = targetWith([config], { maxLanes, weights });
    const data = convData(s);
    const { dispatches, inputs, y } = convRun(s, data, variant, target);
    expect(dispatches.filter(({ shader }) => shader === "conv/matrix")).toHaveLength(1);
    const emulation = dispatches.map((d) =>
      d.shader === "conv/matrix" ? { ...d, shader: "conv/matrix_emulated" } : d,
    );
    const [actual] = await runDispatches(emulation, inputs, [y]);
    const expected = convReference(s, weights === "f16" ? roundedWeights(data) : data);
    expectClose(actual!, expected, y.shape, { rtol: 0, atol: 3e-6 });
  });

test("Dawn compiles the shader with the built-ins, for operands in f32 and f16", async () => {
  Object.assign(globalThis, globals);
  const gpu = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  const adapter = await gpu.requestAdapter();
  const requiredFeatures = ["chromium-experimental-subgroup-matrix", "subgroups", "shader-f16"] as GPUFeatureName[];
  const { maxComputeWorkgroupStorageSize } = adapter!.limits;
  const requiredLimits = { maxComputeWorkgroupStorageSize };
  const device = await adapter!.requestDevice({ requiredFeatures, requiredLimits });
  const pipelines = new PipelineCache(device);
  const s = cases["3x3, more channels than a tile, join, everything after"]!;
  try {
    for (const weights of ["f32", "f16"] as const)
      for (const size of matrixTiles) {
        const target = targetWith([f32x8, f16x16], { weights, workgroupBytes: maxComputeWorkgroupStorageSize });
        if (!matrixTile(size, target)) continue;
        const { dispatches } = convRun(s, convData(s), matrix(size), target);
        device.pushErrorScope("validation");
        const { pipeline } = await pipelines.get(dispatches.find(({ shader }) => shader === "conv/matrix")!);
        expect(await device.popErrorScope()).toBeNull();
        expect(pipeline).toBeInstanceOf(GPUComputePipeline);
      }
    expect(pipelines.size).toBe(4); // two tiles fit into 16 KiB, each for two types of operands
  } finally {
    device.destroy();
  }
});
