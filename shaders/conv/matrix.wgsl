// What conv/tile computes, its products taken by subgroup matrices (tensor cores). Sums are f32; operands are Element: f32, or
// f16 for adapters that multiply nothing else.
//
// Rows of the tiles lie PADDING apart, so that those of a matrix begin in different banks. The result of a workgroup of 256 is
// divided into MATRIX_M x MATRIX_N matrices, ROWS x COLUMNS of them to each of SUBGROUPS subgroups, ACROSS side by side; were a
// subgroup smaller than the largest, the rest repeat the work of the first and store the same.
// Dispatch: x = ceil(OC / TILE_M) * ceil(N OH OW / TILE_N) * SPLITS, folded into two dimensions.
// import implicit
enable chromium_experimental_subgroup_matrix;
alias Element = f32;
const MATRIX_M: u32 = 8u;     // as the adapter lists them
const MATRIX_N: u32 = 8u;
const MATRIX_K: u32 = 8u;     // divides DEPTH
const SUBGROUPS: u32 = 8u;    // at most 256 / lanes of the largest subgroup
const ACROSS: u32 = 4u;       // divides SUBGROUPS
const ROWS: u32 = 1u;
const COLUMNS: u32 = 1u;
const PADDING: u32 = 8u;
const TILE_M: u32 = SUBGROUPS / ACROSS * ROWS * MATRIX_M;
const TILE_N: u32 = ACROSS * COLUMNS * MATRIX_N;
const W_ROW: u32 = TILE_M + PADDING;
const X_ROW: u32 = TILE_N + PADDING;
const LANES: u32 = 256u;

alias Left = subgroup_matrix_left<Element, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<Element, MATRIX_N, MATRIX_K>;
alias Sum = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

var<workgroup> weights: array<Element, DEPTH * W_ROW>;       // [k][channel]
var<workgroup> inputs: array<Element, DEPTH * X_ROW>;        // [k][pixel]
var<workgroup> results: array<f32, SUBGROUPS * MATRIX_M * MATRIX_N>;

@compute @workgroup_size(LANES)
fn main(at: Grid, @builtin(local_invocation_index) local: u32, @builtin(subgroup_id) subgroup: u32) {
  let task = task_of(flat(at));
  if (task.split >= SPLITS) { return; }
  let source = source_of(task, local);
  let row = subgroup % SUBGROUPS / ACROSS * ROWS * MATRIX_M; // of this subgroup's part of the tile
  let column = subgroup % SUBGROUPS % ACROSS * COLUMNS * MATRIX_N;

  var next: Next;
  var sums: array<array<Sum, COLUMNS>, ROWS>;
  for (var step = task.first; step <= task.last; step++) {    // the tiles of a step are multiplied in the round after it
    if (step > task.first) {
      workgroupBarrier();
      for (var i = 0u; i < W_LOADS; i++) { // unroll
        let e = local + i * LANES;
        if (e < DEPTH * TILE_M / 4u) {
          for (var q = 0u; q < 4u; q++) { // unroll
            weights[e / (TILE_M / 4u) * W_ROW + 4u * (e % (TILE_M / 4u)) + q] = Element(next.w[i][q]);
          }
        }
      }
      for (var i = 0u; i < X_LOADS; i++) { // unroll
        inputs[(local / TILE_N + i * (LANES / TILE_N)) * X_ROW + local % TILE_N] = Element(next.x[i]);
      }
      workgroupBarrier();
    }
    if (step < task.last) { load(&next, source, step, local); }
    if (step > task.first) {
      for (var k = 0u; k < DEPTH; k += MATRIX_K) {
        var right: array<Right, COLUMNS>;
        for (var j = 0u; j < COLUMNS; j++) { // unroll
          right[j] = subgroupMatrixLoad<Right, row_major>(&inputs, k * X_ROW + column + j * MATRIX_N, X_ROW);
        }
        for (var i = 0u; i < ROWS; i++) { // unroll
          let left = subgroupMatrixLoad<Left, col_major>(&weights, k * W_ROW + row + i * MATRIX_M, W_ROW);
          for (var j = 0u; j < COLUMNS; j++) { // unroll
            sums[i][j] = subgroupMatrixMultiplyAccumulate(left, right[j], sums[i][j]);
          }
        }
      }
    }
  }

  for (var i = 0u; i < ROWS; i++) { // unroll
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&results, subgroup % SUBGROUPS * MATRIX_M * MATRIX_N, sums[i][j], MATRIX_N);
      workgroupBarrier();
      for (var e = local; e < SUBGROUPS * MATRIX_M * MATRIX_N; e += LANES) {
        let s = e / (MATRIX_M * MATRIX_N);
        let o = task.m0 + (s / ACROSS * ROWS + i) * MATRIX_M + e / MATRIX_N % MATRIX_M;
        let p = task.p0 + (s % ACROSS * COLUMNS + j) * MATRIX_N + e % MATRIX_N;
        finish(results[e], task.split, o, p);
      }
    }
  }
}
