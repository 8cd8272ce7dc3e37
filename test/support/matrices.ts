import { expect } from "vitest";
import type { MatrixConfig, Target } from "../../src/kernels/target";

/** A GPU with subgroup matrices of these shapes. */
export const targetWith = (
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

/** A shader without matrix built-ins: a lane of a subgroup keeps its own elements of each sum, and operands are where they
 *  begin in workgroup memory.
 *  @param right how the right operand lies: [k][column], or [column][k] */
export function emulated(source: string, right: "row_major" | "col_major"): string {
  const replacements: [string | RegExp, string][] = [
    ["enable chromium_experimental_subgroup_matrix;", ""],
    [/alias Left = .*/, "alias Left = u32;"],
    [/alias Right = .*/, "alias Right = u32;"],
    [/alias Sum = .*/, "const EACH: u32 = 256u / SUBGROUPS;\nalias Sum = array<f32, MATRIX_M * MATRIX_N / EACH>;"],
    [/,\s*@builtin\(subgroup_id\) subgroup: u32\) \{/, ") {\n  let subgroup = local / EACH; lane = local % EACH;"],
    [`subgroupMatrixLoad<Right, ${right}>(&inputs, `, "load_right("],
    ["subgroupMatrixLoad<Left, col_major>(&weights, ", "load_left("],
    ["subgroupMatrixMultiplyAccumulate(", "multiply_accumulate("],
    ["subgroupMatrixStore<row_major>(&results, ", "store_matrix("],
  ];
  let code = source;
  for (const [from, to] of replacements) {
    expect(code.split(from), `${from}`).toHaveLength(2);
    code = code.replace(from, to);
  }
  const input = right === "row_major" ? "b + k * X_ROW + at % MATRIX_N" : "b + k + at % MATRIX_N * X_ROW";
  return `${code}
var<private> lane: u32;
fn load_left(at: u32, stride: u32) -> Left { return select(0xffffffu, at, stride == W_ROW); }
fn load_right(at: u32, stride: u32) -> Right { return select(0xffffffu, at, stride == X_ROW); }
fn multiply_accumulate(a: Left, b: Right, c: Sum) -> Sum {
  var sum = c;
  for (var e = 0u; e < MATRIX_M * MATRIX_N / EACH; e++) {
    let at = lane + e * EACH;
    for (var k = 0u; k < MATRIX_K; k++) {
      sum[e] += weights[a + k * W_ROW + at / MATRIX_N] * inputs[${input}];
    }
  }
  return sum;
}
fn store_matrix(first: u32, c: Sum, stride: u32) {
  for (var e = 0u; e < MATRIX_M * MATRIX_N / EACH; e++) {
    let at = lane + e * EACH;
    results[first + at / MATRIX_N * stride + at % MATRIX_N] = c[e];
  }
}
`;
}
