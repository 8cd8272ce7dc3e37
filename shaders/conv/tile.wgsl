// y[n, o, p] = bias[o] + temb[n, o] + sum_{c, dy, dx} w[o, c, dy, dx] * in[n, c, STRIDE p + (dy, dx) - PAD] + residual[n, o, p]
// in = act((x - mean) * scale + shift) of [x, skip] joined on channels, optionally enlarged x2 (nearest); 0 outside.
// x: f32 [N, C1, H, W]; skip: f32 [SKIP_N, C2, H, W]; norm: f32 [NORM_N, C1 + C2, 4]; y: f32 [N, OC, OH, OW].
// w: f32, or f16 pairs, [ceil((C1 + C2) / 16), KERNEL^2, 16, OC rounded up to fours].  Fewer samples than y are read
// modulo theirs. With SPLITS > 1, y: f32 [SPLITS, N, OC, OH, OW] are sums over parts of the channels, for sum_splits.
//
// Implicit matrix product for GPUs, 3x3 and 1x1: a workgroup computes TILE_M channels x TILE_N pixels from tiles of weights
// and of gathered input in workgroup memory: one tap of DEPTH channels, so that a lane works out once where its pixel reads.
// The next tiles are loaded while these are multiplied; a lane keeps ROWS x COLUMNS blocks of 4 x 4. SLICES groups of
// LANES_M x LANES_N lanes share out the depth of every tile (sliced K) and add their sums at the end.
// Dispatch: x = ceil(OC / TILE_M) * ceil(N OH OW / TILE_N) * SPLITS, folded into two dimensions.
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
const LANES_M: u32 = 16u;
const LANES_N: u32 = 16u;
const ROWS: u32 = 1u;
const COLUMNS: u32 = 1u;
const DEPTH: u32 = 16u;
const SLICES: u32 = 1u;       // divides DEPTH
const TAPS: u32 = KERNEL * KERNEL;
const TILE_M: u32 = 4u * LANES_M * ROWS;
const TILE_N: u32 = 4u * LANES_N * COLUMNS;
const LANES: u32 = LANES_M * LANES_N * SLICES;               // a multiple of TILE_N
const W_LOADS: u32 = DEPTH * TILE_M / 4u / LANES;
const X_LOADS: u32 = DEPTH * TILE_N / LANES;
const FOURS: u32 = TILE_M * TILE_N / 4u / LANES;             // that a lane stores
const INPUTS: u32 = DEPTH * TILE_M / 4u;
const TILES: u32 = INPUTS + DEPTH * TILE_N / 4u;
const SUMS: u32 = select(0u, SLICES * TILE_M * TILE_N / 4u, SLICES > 1u);

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read> w: array<array<u32, 4u / PER_WORD>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

// Weights, [k][channel], and from INPUTS on inputs, [k][pixel]; at the end every slice's sums, [slice][channel][pixel].
var<workgroup> memory: array<vec4f, max(TILES, SUMS)>;

fn weight(at: u32) -> vec4f {
  let v = w[at];
  if (PER_WORD == 2u) { return vec4f(unpack2x16float(v[0]), unpack2x16float(v[1])); }
  return bitcast<vec4f>(vec4u(v[0], v[1], v[2 % (4u / PER_WORD)], v[3 % (4u / PER_WORD)]));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
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
  let slice = local / (LANES_M * LANES_N);
  let lane_m = local / LANES_N % LANES_M;
  let lane_n = local % LANES_N;

  var w_next: array<vec4f, W_LOADS>;
  var x_next: array<f32, X_LOADS>;
  var sums: array<array<vec4f, COLUMNS>, 4u * ROWS>;
  for (var step = first; step <= last; step++) {              // the tiles of a step are multiplied in the round after it
    if (step > first) {
      workgroupBarrier();
      for (var i = 0u; i < W_LOADS; i++) { // unroll
        memory[local + i * LANES] = w_next[i];
      }
      for (var i = 0u; i < X_LOADS; i++) { // unroll
        memory[INPUTS + (local / TILE_N + i * (LANES / TILE_N)) * (TILE_N / 4u) + pixel / 4u][pixel % 4u] = x_next[i];
      }
      workgroupBarrier();
    }
    if (step < last) {
      for (var i = 0u; i < W_LOADS; i++) { // unroll
        let e = local + i * LANES;
        let m = m0 / 4u + e % (TILE_M / 4u);
        w_next[i] = vec4f();
        if (m < width) { w_next[i] = weight((step * DEPTH + e / (TILE_M / 4u)) * width + m); }
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
      for (var t = 0u; t < DEPTH / SLICES; t++) {
        let k = slice * (DEPTH / SLICES) + t;
        var columns: array<vec4f, COLUMNS>;
        for (var j = 0u; j < COLUMNS; j++) { // unroll
          columns[j] = memory[INPUTS + k * (TILE_N / 4u) + j * LANES_N + lane_n];
        }
        for (var i = 0u; i < ROWS; i++) { // unroll
          let rows = memory[k * (TILE_M / 4u) + i * LANES_M + lane_m];
          for (var q = 0u; q < 4u; q++) { // unroll
            for (var j = 0u; j < COLUMNS; j++) { // unroll
              sums[4u * i + q][j] += rows[q] * columns[j];
            }
          }
        }
      }
    }
  }

  if (SLICES > 1u) {
    workgroupBarrier();
    for (var i = 0u; i < 4u * ROWS; i++) { // unroll
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        let row = (i / 4u * LANES_M + lane_m) * 4u + i % 4u;
        memory[(slice * TILE_M + row) * (TILE_N / 4u) + j * LANES_N + lane_n] = sums[i][j];
      }
    }
    workgroupBarrier();
  }
  for (var u = 0u; u < FOURS; u++) { // unroll
    var row = (u % (4u * ROWS) / 4u * LANES_M + lane_m) * 4u + u % 4u;
    var column = u / (4u * ROWS) * LANES_N + lane_n;
    var four = sums[u % (4u * ROWS)][u / (4u * ROWS)];
    if (SLICES > 1u) {
      let e = local + u * LANES;
      row = e / (TILE_N / 4u);
      column = e % (TILE_N / 4u);
      four = memory[e];
      for (var s = 1u; s < SLICES; s++) { // unroll
        four += memory[s * (TILE_M * TILE_N / 4u) + e];
      }
    }
    let o = m0 + row;
    for (var r = 0u; r < 4u; r++) { // unroll
      let p = p0 + 4u * column + r;
      let sample = p / plane;
      if (p < N * plane && o < OC) {
        var v = four[r];
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
