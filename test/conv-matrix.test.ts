import { expect, test } from "vitest";
import { create, globals } from "webgpu";
import { PipelineCache } from "../src/gpu/pipelines";
import { matrixVariants } from "../src/kernels/conv/matrix";
import { outputSize } from "../src/kernels/conv/output-size";
import type { MatrixConfig, Target } from "../src/kernels/conv/variants";
import { type ConvCase, convData, convReference } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { shaders } from "../src/wgsl/shaders";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { roundedWeights } from "./support/rounded-weights";

// No adapter here has subgroup matrices. So the shader is compiled, by the back end of Dawn that has every feature and
// executes nothing, and its arithmetic runs with plain functions in place of the matrix built-ins.

const f32x8: MatrixConfig = { component: "f32", m: 8, n: 8, k: 8 };
const f16x16: MatrixConfig = { component: "f16", m: 16, n: 16, k: 16 };

const targetWith = (
  configs: readonly MatrixConfig[],
  {
    maxLanes = 32,
    weights = "f32",
    f16 = true,
    workgroupBytes = 16384,
  }: { maxLanes?: number; weights?: "f32" | "f16"; f16?: boolean; workgroupBytes?: number } = {},
): Target => ({
  adapterClass: "gpu",
  subgroups: true,
  precision: "fast",
  weights,
  maxBindingBytes: 2 ** 27,
  matrices: { configs, maxLanes, f16, workgroupBytes },
});

test("variants: what the adapter lists and a tile divides into, the largest that fit first", () => {
  const configs = [f32x8, { ...f32x8, m: 16, n: 16 }, { ...f32x8, n: 12 }];
  const found = matrixVariants(128, 4096, targetWith(configs, { workgroupBytes: 32768 }));
  const shapes = found.map(({ tile, matrix }) => [
    tile!.tileM,
    tile!.tileN,
    matrix!.m,
    matrix!.depth,
    matrix!.rows,
    matrix!.columns,
  ]);
  expect(shapes).toEqual([
    [128, 128, 16, 16, 2, 4],
    [64, 64, 16, 32, 1, 2],
    [32, 32, 16, 32, 1, 1],
    [128, 256, 8, 16, 8, 8],
    [128, 128, 8, 16, 4, 8],
    [64, 64, 8, 32, 2, 4],
    [32, 32, 8, 32, 1, 2],
  ]);
});

test("variants: every matrix of the tile is somebody's, whatever the subgroups", () => {
  for (const maxLanes of [8, 16, 32, 64, 128])
    for (const oc of [3, 32, 64, 200])
      for (const { tile, matrix } of matrixVariants(
        oc,
        4096,
        targetWith([f32x8, { ...f32x8, m: 16, k: 4 }], { maxLanes }),
      )) {
        const { m, n, subgroups, across, rows, columns } = matrix!;
        expect((subgroups / across) * rows * m, `${maxLanes} lanes, ${oc} channels`).toBe(tile!.tileM);
        expect(across * columns * n).toBe(tile!.tileN);
        expect(subgroups * maxLanes).toBeLessThanOrEqual(256);
      }
});

test("variants: f16 operands for f16 weights only, and only where shaders have f16", () => {
  expect(matrixVariants(64, 4096, targetWith([f16x16]))).toEqual([]);
  expect(matrixVariants(64, 4096, targetWith([f16x16], { weights: "f16", f16: false }))).toEqual([]);
  expect(matrixVariants(64, 4096, targetWith([f16x16], { weights: "f16" }))).toHaveLength(2);
  const { matrices: _, ...none } = targetWith([]);
  expect(matrixVariants(64, 4096, none)).toEqual([]);
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
    Object.assign(shaders, { "conv/matrix_emulated": emulated(shaders["conv/matrix"]) });
    const pixels = s.n * outputSize(s.h, s) * outputSize(s.w, s);
    const variant = { ...matrixVariants(s.oc, pixels, targetWith([config], { maxLanes, weights })).at(-1)!, splits };
    const data = convData(s);
    const { dispatches, inputs, y } = convRun(s, data, variant);
    expect(dispatches.filter(({ shader }) => shader === "conv/matrix")).toHaveLength(1);
    const emulation = dispatches.map((d) =>
      d.shader === "conv/matrix" ? { ...d, shader: "conv/matrix_emulated" } : d,
    );
    const [actual] = await runDispatches(emulation, inputs, [y]);
    const expected = convReference(s, weights === "f16" ? roundedWeights(data) : data);
    expectClose(actual!, expected, y.shape, { rtol: 0, atol: 3e-6 });
  });

/** The shader without matrix built-ins: a lane of a subgroup keeps its own elements of each sum, and operands are where they
 *  begin in workgroup memory. */
function emulated(source: string): string {
  const replacements: [string | RegExp, string][] = [
    ["enable chromium_experimental_subgroup_matrix;", ""],
    [/alias Left = .*/, "alias Left = u32;"],
    [/alias Right = .*/, "alias Right = u32;"],
    [/alias Sum = .*/, "const EACH: u32 = 256u / SUBGROUPS;\nalias Sum = array<f32, MATRIX_M * MATRIX_N / EACH>;"],
    [/,\s*@builtin\(subgroup_id\) subgroup: u32\) \{/, ") {\n  let subgroup = local / EACH; lane = local % EACH;"],
    ["subgroupMatrixLoad<Right, row_major>(&inputs, ", "load_right("],
    ["subgroupMatrixLoad<Left, col_major>(&weights, ", "load_left("],
    ["subgroupMatrixMultiplyAccumulate(", "multiply_accumulate("],
    ["subgroupMatrixStore<row_major>(&results, ", "store("],
  ];
  let code = source;
  for (const [from, to] of replacements) {
    expect(code.split(from), `${from}`).toHaveLength(2);
    code = code.replace(from, to);
  }
  return `${code}
var<private> lane: u32;
fn load_left(at: u32, stride: u32) -> Left { return select(0xffffffu, at, stride == W_ROW); }
fn load_right(at: u32, stride: u32) -> Right { return select(0xffffffu, at, stride == X_ROW); }
fn multiply_accumulate(a: Left, b: Right, c: Sum) -> Sum {
  var sum = c;
  for (var e = 0u; e < MATRIX_M * MATRIX_N / EACH; e++) {
    let at = lane + e * EACH;
    for (var k = 0u; k < MATRIX_K; k++) {
      sum[e] += weights[a + k * W_ROW + at / MATRIX_N] * inputs[b + k * X_ROW + at % MATRIX_N];
    }
  }
  return sum;
}
fn store(first: u32, c: Sum, stride: u32) {
  for (var e = 0u; e < MATRIX_M * MATRIX_N / EACH; e++) {
    let at = lane + e * EACH;
    results[first + at / MATRIX_N * stride + at % MATRIX_N] = c[e];
  }
}
`;
}

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
      for (const variant of matrixVariants(
        s.oc,
        4096,
        targetWith([f32x8, f16x16], { weights, workgroupBytes: maxComputeWorkgroupStorageSize }),
      )) {
        const { dispatches } = convRun(s, convData(s), variant);
        device.pushErrorScope("validation");
        const { pipeline } = await pipelines.get(dispatches.find(({ shader }) => shader.startsWith("conv/matrix"))!);
        expect(await device.popErrorScope()).toBeNull();
        expect(pipeline).toBeInstanceOf(GPUComputePipeline);
      }
    expect(pipelines.size).toBe(6);
  } finally {
    device.destroy();
  }
});
