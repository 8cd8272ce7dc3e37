// y[n, o, p] = bias[o] + temb[n, o] + sum_{c, dy, dx} w[o, c, dy, dx] * in[n, c, STRIDE p + (dy, dx) - PAD] + residual[n, o, p]
// in = act((x - mean) * scale + shift) of [x, skip] joined on channels, optionally enlarged x2 (nearest); 0 outside.
// x: f32 [N, C1, H, W]; skip: f32 [SKIP_N, C2, H, W]; norm: f32 [NORM_N, C1 + C2, 4]; y: f32 [N, OC, OH, OW].
// w: f32, or f16 pairs, [(C1 + C2) KERNEL^2, OC rounded up to TILE_M].  Fewer samples than y are read modulo theirs.
//
// Implicit matrix product for GPUs, 3x3 and 1x1: a workgroup of 16 x 16 computes TILE_M channels x 64 pixels from tiles of
// weights and of gathered input in workgroup memory, 16 deep; a lane keeps TILE_M / 16 x 4 sums.
// Dispatch: x = ceil(OC / TILE_M) * ceil(N OH OW / 64), folded into two dimensions.
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
const TILE_M: u32 = 64u;      // a multiple of 16
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const TAPS: u32 = KERNEL * KERNEL;
const ROWS: u32 = TILE_M / 16u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

var<workgroup> weights: array<f32, 16u * TILE_M>;            // [k][channel]
var<workgroup> inputs: array<f32, 1024>;                     // [k][pixel]

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
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let tile = wg.y * grid.x + wg.x;
  let m0 = tile % tiles_m * TILE_M;
  let p0 = tile / tiles_m * 64u;
  let depth = (C1 + C2) * TAPS;
  let plane = OH * OW;

  let gathered = min(p0 + local % 64u, N * plane - 1u);      // the pixel whose inputs this lane gathers
  let gathered_n = gathered / plane;
  let gathered_y = gathered % plane / OW;
  let gathered_x = gathered % plane % OW;
  let lane_m = local / 16u * ROWS;
  let lane_p = local % 16u;

  var sums: array<array<f32, 4>, ROWS>;
  for (var k0 = 0u; k0 < depth; k0 += 16u) {
    for (var e = local; e < 16u * TILE_M; e += 256u) {
      let k = k0 + e / TILE_M;
      var v = 0.0;
      if (k < depth) { v = weight(k * tiles_m * TILE_M + m0 + e % TILE_M); }
      weights[e] = v;
    }
    for (var k = local / 64u; k < 16u; k += 4u) {
      inputs[k * 64u + local % 64u] = input(k0 + k, gathered_n, gathered_y, gathered_x);
    }
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      var columns: array<f32, 4>;
      for (var j = 0u; j < 4u; j++) { // unroll
        columns[j] = inputs[k * 64u + j * 16u + lane_p];
      }
      for (var i = 0u; i < ROWS; i++) { // unroll
        let v = weights[k * TILE_M + lane_m + i];
        for (var j = 0u; j < 4u; j++) { // unroll
          sums[i][j] += v * columns[j];
        }
      }
    }
    workgroupBarrier();
  }

  for (var j = 0u; j < 4u; j++) { // unroll
    let p = p0 + j * 16u + lane_p;
    let n = p / plane;
    for (var i = 0u; i < ROWS; i++) { // unroll
      let o = m0 + lane_m + i;
      if (p < N * plane && o < OC) {
        var v = sums[i][j] + bias[o];
        if (TEMB) { v += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
        if (RESIDUAL) { v += residual[(n % RESIDUAL_N * OC + o) * plane + p % plane]; }
        y[(n * OC + o) * plane + p % plane] = v;
      }
    }
  }
}
