// 3x3 convolution of stride 1 by subgroup matrices (tensor cores), each input loaded once a workgroup: lib/conv says of what. A
// workgroup computes TILE_M channels x BLOCK_H x BLOCK_W pixels of a sample. It stages the patch under them, a pixel more on each
// side, DEPTH channels at once, normalised and activated. All nine taps read it there. Sums are f32; operands are Element: f32, or
// f16 for adapters that multiply nothing else. With SPLITS > 1, workgroups share out the channels.
// w: f32, or f16 pairs, [ceil((C1 + C2) / 16), 9, 16, OC rounded up to fours].
//
// A step is one tap of DEPTH channels. While it multiplies, the weights of the next step and a ninth of the next patch are on
// their way to registers; they go to the other half of the memory, and one barrier ends the step.
// The patch lies [pixel][channel]. So a matrix begins at a whole pixel, whatever the tap, which Vulkan wants to be a multiple of 16
// bytes; and rows lie PADDING apart, so that those of a matrix begin in different banks.
// Matrices are shared out as in conv/matrix.
// Dispatch: x = ceil(OC / TILE_M) * N * ceil(OH / BLOCK_H) * ceil(OW / BLOCK_W) * SPLITS, folded into two dimensions.
// import conv, added_uniform, window, splits, grid
enable chromium_experimental_subgroup_matrix;
alias Element = f32;
const MATRIX_M: u32 = 8u;     // as the adapter lists them
const MATRIX_N: u32 = 8u;     // divides BLOCK_W
const MATRIX_K: u32 = 8u;     // divides DEPTH
const DEPTH: u32 = 16u;
const BLOCK_H: u32 = 4u;
const BLOCK_W: u32 = 8u;
const SUBGROUPS: u32 = 8u;    // at most 256 / lanes of the largest subgroup
const ACROSS: u32 = 4u;       // divides SUBGROUPS
const ROWS: u32 = 2u;
const COLUMNS: u32 = 1u;      // ACROSS COLUMNS MATRIX_N = BLOCK_H BLOCK_W
const PADDING: u32 = 8u;
const TILE_M: u32 = SUBGROUPS / ACROSS * ROWS * MATRIX_M;
const W_ROW: u32 = TILE_M + PADDING;
const X_ROW: u32 = DEPTH + PADDING;
const PATCH_W: u32 = BLOCK_W + 2u;
const PATCH: u32 = (BLOCK_H + 2u) * PATCH_W;
const LANES: u32 = 256u;
const W_FOURS: u32 = DEPTH * TILE_M / 4u;
const W_LOADS: u32 = (W_FOURS + LANES - 1u) / LANES;
const X_LOADS: u32 = (DEPTH * PATCH + 9u * LANES - 1u) / (9u * LANES);     // of a ninth of a patch

alias Left = subgroup_matrix_left<Element, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<Element, MATRIX_N, MATRIX_K>;
alias Sum = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

var<workgroup> weights: array<Element, 2u * DEPTH * W_ROW>;  // [half][k][channel]
var<workgroup> inputs: array<Element, 2u * PATCH * X_ROW>;   // [half][pixel][k]
var<workgroup> results: array<f32, SUBGROUPS * MATRIX_M * MATRIX_N>;

// What a workgroup computes: its part of the channels, in steps from `first` to before `last`, and its first row and pixel.
struct Task {
  split: u32,
  first: u32,
  last: u32,
  m0: u32,
  n: u32,
  oy: u32,
  ox: u32,
}

fn task_of(id: u32) -> Task {
  let tiles_m = ceil_div(OC, TILE_M);
  let across = ceil_div(OW, BLOCK_W);
  let blocks = ceil_div(OH, BLOCK_H) * across;
  let block = id / tiles_m % blocks;
  let split = id / (tiles_m * blocks * N);
  let chunks = ceil_div(C1 + C2, DEPTH);
  return Task(
    split, split * chunks / SPLITS * 9u, (split + 1u) * chunks / SPLITS * 9u, id % tiles_m * TILE_M, id / (tiles_m * blocks) % N,
    block / across * BLOCK_H, block % across * BLOCK_W);
}

// What a lane has on its way to memory.
struct Next {
  w: array<vec4f, W_LOADS>,
  x: array<f32, X_LOADS>,
}

@compute @workgroup_size(LANES)
fn main(at: Grid, @builtin(local_invocation_index) local: u32, @builtin(subgroup_id) subgroup: u32) {
  let task = task_of(flat(at));
  if (task.split >= SPLITS) { return; }
  let row = subgroup % SUBGROUPS / ACROSS * ROWS * MATRIX_M; // of this subgroup's part of the tile
  let column = subgroup % SUBGROUPS % ACROSS * COLUMNS;      // in matrices

  var next: Next;
  if (task.first < task.last) {
    for (var part = 0u; part < 9u; part++) {
      load_inputs(&next, task, task.first + part, local);
      keep_inputs(&next, task.first + part, local);
    }
    load_weights(&next, task, task.first, local);
    keep_weights(&next, task.first, local);
  }
  workgroupBarrier();

  var sums: array<array<Sum, COLUMNS>, ROWS>;
  for (var step = task.first; step < task.last; step++) {
    let tap = step % 9u;
    if (step + 1u < task.last) { load_weights(&next, task, step + 1u, local); }
    if (step + 9u < task.last) { load_inputs(&next, task, step + 9u, local); }

    let w0 = step % 2u * (DEPTH * W_ROW) + row;
    let x0 = step / 9u % 2u * (PATCH * X_ROW) + (tap / 3u * PATCH_W + tap % 3u) * X_ROW;
    for (var k = 0u; k < DEPTH; k += MATRIX_K) {
      var right: array<Right, COLUMNS>;
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        right[j] = subgroupMatrixLoad<Right, col_major>(&inputs, x0 + pixel_of(column + j) * X_ROW + k, X_ROW);
      }
      for (var i = 0u; i < ROWS; i++) { // unroll
        let left = subgroupMatrixLoad<Left, col_major>(&weights, w0 + k * W_ROW + i * MATRIX_M, W_ROW);
        for (var j = 0u; j < COLUMNS; j++) { // unroll
          sums[i][j] = subgroupMatrixMultiplyAccumulate(left, right[j], sums[i][j]);
        }
      }
    }

    if (step + 1u < task.last) { keep_weights(&next, step + 1u, local); }
    if (step + 9u < task.last) { keep_inputs(&next, step + 9u, local); }
    workgroupBarrier();
  }

  for (var i = 0u; i < ROWS; i++) { // unroll
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      workgroupBarrier();
      subgroupMatrixStore<row_major>(&results, subgroup % SUBGROUPS * MATRIX_M * MATRIX_N, sums[i][j], MATRIX_N);
      workgroupBarrier();
      for (var e = local; e < SUBGROUPS * MATRIX_M * MATRIX_N; e += LANES) {
        let s = e / (MATRIX_M * MATRIX_N);
        let o = task.m0 + (s / ACROSS * ROWS + i) * MATRIX_M + e / MATRIX_N % MATRIX_M;
        let pixel = (s % ACROSS * COLUMNS + j) * MATRIX_N + e % MATRIX_N;
        let oy = task.oy + pixel / BLOCK_W;
        let ox = task.ox + pixel % BLOCK_W;
        if (oy < OH && ox < OW) { finish(results[e], task.split, o, (task.n * OH + oy) * OW + ox); }
      }
    }
  }
}

// The pixel of the patch where the first tap of matrix number i begins.
fn pixel_of(i: u32) -> u32 { return i * MATRIX_N / BLOCK_W * PATCH_W + i * MATRIX_N % BLOCK_W; }

// The weights of a step: every LANES-th four, [k][channel]; past the edges 0.
fn load_weights(next: ptr<function, Next>, task: Task, step: u32, local: u32) {
  let width = ceil_div(OC, 4u);
  for (var i = 0u; i < W_LOADS; i++) { // unroll
    let e = local + i * LANES;
    let m = task.m0 / 4u + e % (TILE_M / 4u);
    let c = step / 9u * DEPTH + e / (TILE_M / 4u);
    var v = vec4f();
    if (e < W_FOURS && m < width && c < ceil_div(C1 + C2, 16u) * 16u) {
      v = unpacked4(w[((c / 16u * 9u + step % 9u) * 16u + c % 16u) * width + m]);
    }
    (*next).w[i] = v;
  }
}

fn keep_weights(next: ptr<function, Next>, step: u32, local: u32) {
  for (var i = 0u; i < W_LOADS; i++) { // unroll
    let e = local + i * LANES;
    if (e < W_FOURS) {
      let at = (step % 2u * DEPTH + e / (TILE_M / 4u)) * W_ROW + 4u * (e % (TILE_M / 4u));
      for (var q = 0u; q < 4u; q++) { weights[at + q] = Element((*next).w[i][q]); } // unroll
    }
  }
}

// A ninth of the patch of a step, that with the number of its tap: every LANES-th input, [k][pixel]; 0 outside the picture and past
// the channels.
fn load_inputs(next: ptr<function, Next>, task: Task, step: u32, local: u32) {
  for (var i = 0u; i < X_LOADS; i++) { // unroll
    let e = (step % 9u * X_LOADS + i) * LANES + local;
    let c = step / 9u * DEPTH + e / PATCH;
    let iy = task.oy + e % PATCH / PATCH_W - PAD;            // both wrap above and left of the picture
    let ix = task.ox + e % PATCH_W - PAD;
    var v = 0.0;
    if (e < DEPTH * PATCH && c < C1 + C2 && row_inside(iy) && column_inside(ix)) {
      v = input(task.n, c, row_at(iy) + column_at(ix));
    }
    (*next).x[i] = v;
  }
}

// Input of channel c of sample n, which there is.
fn input(n: u32, c: u32, at: u32) -> f32 {
  var v = 0.0;
  if (c < C1) { v = x[(n * C1 + c) * PLANE + at]; } else { v = skip[(skip_start(n) + c - C1) * PLANE + at]; }
  return prepared(v, affine_at(norm_start(n) + c));
}

fn keep_inputs(next: ptr<function, Next>, step: u32, local: u32) {
  for (var i = 0u; i < X_LOADS; i++) { // unroll
    let e = (step % 9u * X_LOADS + i) * LANES + local;
    if (e < DEPTH * PATCH) { inputs[(step / 9u % 2u * PATCH + e % PATCH) * X_ROW + e / PATCH] = Element((*next).x[i]); }
  }
}
