// What conv_tile computes, its products taken by subgroup matrices (tensor cores):
// y[n, o, p] = bias[o] + temb[n, o] + sum_{c, dy, dx} w[o, c, dy, dx] * in[n, c, STRIDE p + (dy, dx) - PAD] + residual[n, o, p]
// Tensors, `in` and SPLITS as there. Sums are f32; operands are Element: f32, or f16 for adapters that multiply nothing else.
//
// A workgroup of 256 computes TILE_M channels x TILE_N pixels from tiles in workgroup memory, one tap of DEPTH channels at a
// time; their rows lie PADDING apart, so that those of a matrix begin in different banks. Its result is divided into
// MATRIX_M x MATRIX_N matrices, ROWS x COLUMNS of them to each of SUBGROUPS subgroups, ACROSS side by side;
// were a subgroup smaller than the largest, the rest repeat the work of the first and store the same.
// Dispatch: x = ceil(OC / TILE_M) * ceil(N OH OW / TILE_N) * SPLITS, folded into two dimensions.
enable chromium_experimental_subgroup_matrix;
alias Element = f32;

override N: u32;               // uniform
override C1: u32;              // uniform
override C2: u32 = 0u;         // uniform
override OC: u32;              // uniform
override H: u32;               // uniform: of x and skip
override W: u32;               // uniform
override OH: u32;              // uniform
override OW: u32;              // uniform
override PAD: u32 = 1u;        // uniform: left and top; right and bottom follow from OH and OW
override NORM: bool = false;
override SILU: bool = false;
override TEMB: u32 = 0u;       // uniform: 1: there is one
override RESIDUAL: u32 = 0u;   // uniform
override SKIP_N: u32 = 1u;     // uniform
override NORM_N: u32 = 1u;     // uniform
override TEMB_N: u32 = 1u;     // uniform
override TEMB_WIDTH: u32 = 0u; // uniform
override TEMB_OFFSET: u32 = 0u; // uniform
override RESIDUAL_N: u32 = 1u; // uniform
override SPLITS: u32 = 1u;     // uniform

const KERNEL: u32 = 3u;       // 3 or 1
const STRIDE: u32 = 1u;
const UPSAMPLE: u32 = 1u;     // 2: x and skip are enlarged first
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const MATRIX_M: u32 = 8u;     // as the adapter lists them
const MATRIX_N: u32 = 8u;
const MATRIX_K: u32 = 8u;     // divides DEPTH
const SUBGROUPS: u32 = 8u;    // at most 256 / lanes of the largest subgroup
const ACROSS: u32 = 4u;       // divides SUBGROUPS
const ROWS: u32 = 1u;
const COLUMNS: u32 = 1u;
const DEPTH: u32 = 16u;       // 16 or 32
const PADDING: u32 = 8u;
const TAPS: u32 = KERNEL * KERNEL;
const TILE_M: u32 = SUBGROUPS / ACROSS * ROWS * MATRIX_M;
const TILE_N: u32 = ACROSS * COLUMNS * MATRIX_N;
const W_ROW: u32 = TILE_M + PADDING;
const X_ROW: u32 = TILE_N + PADDING;
const LANES: u32 = 256u;
const W_LOADS: u32 = (DEPTH * TILE_M / 4u + LANES - 1u) / LANES;
const X_LOADS: u32 = DEPTH * TILE_N / LANES;

alias Left = subgroup_matrix_left<Element, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<Element, MATRIX_N, MATRIX_K>;
alias Sum = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read> w: array<array<u32, 4u / PER_WORD>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

var<workgroup> weights: array<Element, DEPTH * W_ROW>;       // [k][channel]
var<workgroup> inputs: array<Element, DEPTH * X_ROW>;        // [k][pixel]
var<workgroup> results: array<f32, SUBGROUPS * MATRIX_M * MATRIX_N>;

fn weight(at: u32) -> vec4f {
  let v = w[at];
  if (PER_WORD == 2u) { return vec4f(unpack2x16float(v[0]), unpack2x16float(v[1])); }
  return bitcast<vec4f>(vec4u(v[0], v[1], v[2 % (4u / PER_WORD)], v[3 % (4u / PER_WORD)]));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32) {
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let tiles_n = (N * OH * OW + TILE_N - 1u) / TILE_N;
  let tile = wg.y * grid.x + wg.x;
  if (tile >= tiles_m * tiles_n * SPLITS) { return; }
  let m0 = tile % tiles_m * TILE_M;
  let p0 = tile / tiles_m % tiles_n * TILE_N;
  let split = tile / (tiles_m * tiles_n);
  let plane = OH * OW;
  let width = (OC + 3u) / 4u;                                // of the weights
  let steps = (C1 + C2 + DEPTH - 1u) / DEPTH * TAPS;
  let first = split * steps / SPLITS;
  let last = (split + 1u) * steps / SPLITS;

  let pixel = local % TILE_N;                                // whose inputs this lane gathers
  let gathered = min(p0 + pixel, N * plane - 1u);
  let n = gathered / plane;
  let oy = gathered % plane / OW * STRIDE - PAD;             // wraps above and left of the picture
  let ox = gathered % plane % OW * STRIDE - PAD;
  let row = subgroup % SUBGROUPS / ACROSS * ROWS * MATRIX_M; // of this subgroup's part of the tile
  let column = subgroup % SUBGROUPS % ACROSS * COLUMNS * MATRIX_N;

  var w_next: array<vec4f, W_LOADS>;
  var x_next: array<f32, X_LOADS>;
  var sums: array<array<Sum, COLUMNS>, ROWS>;
  for (var step = first; step <= last; step++) {              // the tiles of a step are multiplied in the round after it
    if (step > first) {
      workgroupBarrier();
      for (var i = 0u; i < W_LOADS; i++) { // unroll
        let e = local + i * LANES;
        if (e < DEPTH * TILE_M / 4u) {
          for (var q = 0u; q < 4u; q++) { // unroll
            weights[e / (TILE_M / 4u) * W_ROW + 4u * (e % (TILE_M / 4u)) + q] = Element(w_next[i][q]);
          }
        }
      }
      for (var i = 0u; i < X_LOADS; i++) { // unroll
        inputs[(local / TILE_N + i * (LANES / TILE_N)) * X_ROW + pixel] = Element(x_next[i]);
      }
      workgroupBarrier();
    }
    if (step < last) {
      for (var i = 0u; i < W_LOADS; i++) { // unroll
        let e = local + i * LANES;
        let m = m0 / 4u + e % (TILE_M / 4u);
        let c = step / TAPS * DEPTH + e / (TILE_M / 4u);
        w_next[i] = vec4f();
        if (e < DEPTH * TILE_M / 4u && m < width && c < (C1 + C2 + 15u) / 16u * 16u) {
          w_next[i] = weight(((c / 16u * TAPS + step % TAPS) * 16u + c % 16u) * width + m);
        }
      }
      let iy = oy + step % TAPS / KERNEL;
      let ix = ox + step % KERNEL;
      let inside = iy < H * UPSAMPLE && ix < W * UPSAMPLE;
      let at = min(iy / UPSAMPLE, H - 1u) * W + min(ix / UPSAMPLE, W - 1u);
      for (var i = 0u; i < X_LOADS; i++) { // unroll
        let c = step / TAPS * DEPTH + local / TILE_N + i * (LANES / TILE_N);
        var v = 0.0;
        if (inside && c < C1 + C2) {
          if (c < C1) { v = x[(n * C1 + c) * H * W + at]; } else { v = skip[(n % SKIP_N * C2 + c - C1) * H * W + at]; }
          if (NORM) {
            let row = norm[n % NORM_N * (C1 + C2) + c];
            v = (v - row.x) * row.y + row.z;
          }
          if (SILU) { v = v / (1.0 + exp(-v)); }
        }
        x_next[i] = v;
      }
    }
    if (step > first) {
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
        let o = m0 + (s / ACROSS * ROWS + i) * MATRIX_M + e / MATRIX_N % MATRIX_M;
        let p = p0 + (s % ACROSS * COLUMNS + j) * MATRIX_N + e % MATRIX_N;
        let sample = p / plane;
        if (p < N * plane && o < OC) {
          var v = results[e];
          if (SPLITS == 1u) {
            v += bias[o];
            if (TEMB == 1u) { v += temb[sample % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
            if (RESIDUAL == 1u) { v += residual[(sample % RESIDUAL_N * OC + o) * plane + p % plane]; }
          }
          y[((split * N + sample) * OC + o) * plane + p % plane] = v;
        }
      }
    }
  }
}
