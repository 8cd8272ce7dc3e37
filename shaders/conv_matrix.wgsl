// What conv_tile computes, its products taken by subgroup matrices (tensor cores):
// y[n, o, p] = bias[o] + temb[n, o] + sum_{c, dy, dx} w[o, c, dy, dx] * in[n, c, STRIDE p + (dy, dx) - PAD] + residual[n, o, p]
// Tensors and `in` as there; w: f32, or f16 pairs, [(C1 + C2) KERNEL^2, OC rounded up to TILE_M]. Sums are f32; operands are
// Element: f32, or f16 for adapters that multiply nothing else.
//
// A workgroup of 256 computes TILE_M channels x 32 pixels from tiles of weights and of gathered input in workgroup memory,
// DEPTH deep. Its result is divided into MATRIX_M x MATRIX_N matrices, ROWS x COLUMNS of them to each of SUBGROUPS
// subgroups; were a subgroup smaller than the largest, the rest repeat the work of the first and store the same values.
// Dispatch: x = ceil(OC / TILE_M) * ceil(N OH OW / 32), folded into two dimensions.
enable chromium_experimental_subgroup_matrix;
alias Element = f32;

override N: u32;
override C1: u32;
override C2: u32 = 0u;
override OC: u32;
override H: u32;              // of x and skip
override W: u32;
override OH: u32;
override OW: u32;
override PAD: u32 = 1u;       // left and top; right and bottom follow from OH and OW
override NORM: bool = false;
override SILU: bool = false;
override TEMB: bool = false;
override RESIDUAL: bool = false;
override SKIP_N: u32 = 1u;
override NORM_N: u32 = 1u;
override TEMB_N: u32 = 1u;
override TEMB_WIDTH: u32 = 0u;
override TEMB_OFFSET: u32 = 0u;
override RESIDUAL_N: u32 = 1u;

const KERNEL: u32 = 3u;       // 3 or 1
const STRIDE: u32 = 1u;
const UPSAMPLE: u32 = 1u;     // 2: x and skip are enlarged first
const TILE_M: u32 = 64u;      // a multiple of MATRIX_M
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const MATRIX_M: u32 = 8u;     // as the adapter lists them
const MATRIX_N: u32 = 8u;
const MATRIX_K: u32 = 8u;
const DEPTH: u32 = 16u;       // a multiple of MATRIX_K
const SUBGROUPS: u32 = 8u;    // at most 256 / lanes of the largest subgroup
const ROWS: u32 = 1u;         // SUBGROUPS * ROWS * COLUMNS = (TILE_M / MATRIX_M) * (32 / MATRIX_N)
const COLUMNS: u32 = 4u;      // divides 32 / MATRIX_N
const TAPS: u32 = KERNEL * KERNEL;

alias Left = subgroup_matrix_left<Element, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<Element, MATRIX_N, MATRIX_K>;
alias Sum = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

var<workgroup> weights: array<Element, DEPTH * TILE_M>;      // [k][channel]
var<workgroup> inputs: array<Element, DEPTH * 32u>;          // [k][pixel]
var<workgroup> results: array<f32, TILE_M * 32u>;            // [channel][pixel]

fn weight(at: u32) -> f32 {
  if (PER_WORD == 2u) { return unpack2x16float(w[at / 2u])[at % 2u]; }
  return bitcast<f32>(w[at]);
}

// The input that tap k of the output pixel (n, oy, ox) reads.
fn input(k: u32, n: u32, oy: u32, ox: u32) -> f32 {
  let c = k / TAPS;
  let iy = oy * STRIDE + k % TAPS / KERNEL - PAD;            // wraps above and left of the picture
  let ix = ox * STRIDE + k % KERNEL - PAD;
  if (c >= C1 + C2 || iy >= H * UPSAMPLE || ix >= W * UPSAMPLE) { return 0.0; }
  let at = iy / UPSAMPLE * W + ix / UPSAMPLE;
  var v = 0.0;
  if (c < C1) { v = x[(n * C1 + c) * H * W + at]; } else { v = skip[(n % SKIP_N * C2 + c - C1) * H * W + at]; }
  if (NORM) {
    let i = (n % NORM_N * (C1 + C2) + c) * 4u;
    v = (v - norm[i]) * norm[i + 1u] + norm[i + 2u];
  }
  if (SILU) { v = v / (1.0 + exp(-v)); }
  return v;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32) {
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let tile = wg.y * grid.x + wg.x;
  let m0 = tile % tiles_m * TILE_M;
  let p0 = tile / tiles_m * 32u;
  let depth = (C1 + C2) * TAPS;
  let plane = OH * OW;

  let gathered = min(p0 + local % 32u, N * plane - 1u);      // the pixel whose inputs this lane gathers
  let gathered_n = gathered / plane;
  let gathered_y = gathered % plane / OW;
  let gathered_x = gathered % plane % OW;
  let across = 32u / MATRIX_N / COLUMNS;                     // subgroups side by side
  let row = subgroup % SUBGROUPS / across * ROWS * MATRIX_M; // of this subgroup's part of the tile
  let column = subgroup % SUBGROUPS % across * COLUMNS * MATRIX_N;

  var sums: array<array<Sum, COLUMNS>, ROWS>;
  for (var k0 = 0u; k0 < depth; k0 += DEPTH) {
    for (var e = local; e < DEPTH * TILE_M; e += 256u) {
      let k = k0 + e / TILE_M;
      var v = 0.0;
      if (k < depth) { v = weight(k * tiles_m * TILE_M + m0 + e % TILE_M); }
      weights[e] = Element(v);
    }
    for (var k = local / 32u; k < DEPTH; k += 8u) {
      inputs[k * 32u + local % 32u] = Element(input(k0 + k, gathered_n, gathered_y, gathered_x));
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k += MATRIX_K) {
      var right: array<Right, COLUMNS>;
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        right[j] = subgroupMatrixLoad<Right, row_major>(&inputs, k * 32u + column + j * MATRIX_N, 32u);
      }
      for (var i = 0u; i < ROWS; i++) { // unroll
        let left = subgroupMatrixLoad<Left, col_major>(&weights, k * TILE_M + row + i * MATRIX_M, TILE_M);
        for (var j = 0u; j < COLUMNS; j++) { // unroll
          sums[i][j] = subgroupMatrixMultiplyAccumulate(left, right[j], sums[i][j]);
        }
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < ROWS; i++) { // unroll
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      subgroupMatrixStore<row_major>(&results, (row + i * MATRIX_M) * 32u + column + j * MATRIX_N, sums[i][j], 32u);
    }
  }
  workgroupBarrier();
  for (var e = local; e < TILE_M * 32u; e += 256u) {
    let o = m0 + e / 32u;
    let p = p0 + e % 32u;
    let n = p / plane;
    if (p < N * plane && o < OC) {
      var v = results[e] + bias[o];
      if (TEMB) { v += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
      if (RESIDUAL) { v += residual[(n % RESIDUAL_N * OC + o) * plane + p % plane]; }
      y[(n * OC + o) * plane + p % plane] = v;
    }
  }
}
