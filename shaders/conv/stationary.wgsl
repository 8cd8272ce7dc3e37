// y[n, o, p] = bias[o] + temb[n, o] + sum_c w[o, c] * in[n, c, p] + residual[n, o, p]
// in = act((x - mean) * scale + shift) of [x, skip] joined on channels.
// x: f32 [N, C1, P]; skip: f32 [SKIP_N, C2, P]; norm: f32 [NORM_N, C1 + C2, 4]; y: f32 [N, OC, P]; P: pixels, a multiple of
// 4 TILE_N. w: f32, or f16 pairs, [K / UNIT, OC, UNIT], K >= C1 + C2 a multiple of DEPTH, padded with 0.
// Tensors with fewer samples than y are read modulo theirs.
//
// A tile of `in` is held in private memory while output channels go by: see gemm_stationary, whose A is w and B is `in`.
// So the input is normalised and activated once for ROWS output channels.
// Dispatch: 4 lanes per task: x = ceil(tasks / (WG / 4)), tasks = ceil(OC / ROWS) * P / (4 TILE_N) * N.
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `task` is the same in all lanes of a quad

override N: u32;               // uniform
override C1: u32;              // uniform
override C2: u32 = 0u;         // uniform: 0 where JOINED is false
override OC: u32;              // uniform
override P: u32;               // uniform
override K: u32;               // uniform
override NORM: bool = false;
override SILU: bool = false;
override TEMB: bool = false;
override SKIP_N: u32 = 1u;     // uniform
override NORM_N: u32 = 1u;     // uniform
override TEMB_N: u32 = 1u;     // uniform
override TEMB_WIDTH: u32 = 0u; // uniform
override TEMB_OFFSET: u32 = 0u; // uniform
override RESIDUAL_N: u32 = 1u; // uniform
override ROWS: u32;            // uniform: output channels that a task takes
override WG: u32 = 4u;

const UNIT: u32 = 64u;        // a multiple of 8
const UNITS: u32 = 1u;        // of a pass
const TILE_N: u32 = 8u;       // pixels of a lane
const JOINED: bool = false;   // C2 > 0
const RESIDUAL: bool = false;
const ONE_PASS: bool = false; // where K = DEPTH, may be true
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const QUARTER: u32 = UNIT / 4u;
const WORDS: u32 = QUARTER / PER_WORD;
const DEPTH: u32 = UNIT * UNITS;

@group(0) @binding(0) var<storage, read> x: array<array<f32, TILE_N>>;
@group(0) @binding(1) var<storage, read> skip: array<array<f32, TILE_N>>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read> w: array<array<u32, WORDS>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<array<f32, TILE_N>>;
@group(0) @binding(7) var<storage, read_write> y: array<array<f32, TILE_N>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let width = P / TILE_N;
  let tiles_p = width / 4u;
  let tiles_m = (OC + ROWS - 1u) / ROWS;
  let task = (wg.y * grid.x + wg.x) * (WG / 4u) + local / 4u;
  if (task >= tiles_p * tiles_m * N) { return; }
  let lane = local % 4u;
  let p = task % tiles_p * 4u + lane;                        // in TILE_Ns
  let m0 = task / tiles_p % tiles_m * ROWS;
  let n = task / (tiles_p * tiles_m);
  let rows = min(ROWS, OC - m0);
  let channels = C1 + C2;
  let x0 = n * C1 * width + p;
  let skip0 = n % SKIP_N * C2 * width + p;
  let norm0 = n % NORM_N * channels;
  let temb0 = n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET;
  let residual0 = n % RESIDUAL_N * OC * width + p;
  let y0 = n * OC * width + p;

  var tile: array<array<f32, TILE_N>, DEPTH>;
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var i = 0u; i < DEPTH; i++) {
      let k = k0 + i / UNIT * UNIT + (lane ^ (i % 4u)) * QUARTER + i % UNIT / 4u;
      let c = min(k, channels - 1u);                         // past the last channel the weight is 0
      var values: array<f32, TILE_N>;
      if (JOINED) {
        if (c < C1) { values = x[x0 + c * width]; } else { values = skip[skip0 + (c - C1) * width]; }
      } else {
        values = x[x0 + c * width];
      }
      if (NORM) {
        let affine = norm[norm0 + c];
        for (var j = 0u; j < TILE_N; j++) { // unroll
          values[j] = (values[j] - affine.x) * affine.y + affine.z;
        }
      }
      if (SILU) {
        for (var j = 0u; j < TILE_N; j++) { // unroll
          values[j] = values[j] / (1.0 + exp(-values[j]));
        }
      }
      tile[i] = values;
    }
    let held = tile;
    let w0 = k0 / UNIT * OC * 4u + lane;
    for (var m = m0; m < m0 + rows; m++) {
      var base = bias[m];
      if (TEMB) { base += temb[temb0 + m]; }
      let at = y0 + m * width;
      var sums: array<f32, TILE_N>;
      if (ONE_PASS) {
        let zero = f32(k0);                                  // not a constant, so that sums begin, in registers, before the loads
        for (var j = 0u; j < TILE_N; j++) { // unroll
          sums[j] = base + zero * f32(j + 1u);
        }
      } else {
        let before = y[at];                                  // of the pass before
        for (var j = 0u; j < TILE_N; j++) { // unroll
          sums[j] = select(base, before[j], k0 > 0u);
        }
      }
      if (RESIDUAL) {
        let added = residual[residual0 + m * width];
        for (var j = 0u; j < TILE_N; j++) { // unroll
          sums[j] += select(added[j], 0.0, k0 > 0u);
        }
      }
      for (var u = 0u; u < UNITS; u++) { // unroll
        let words = w[w0 + (u * OC + m) * 4u];
        for (var q = 0u; q < QUARTER; q++) { // unroll
          const i = UNIT * u + 4u * q;
          let word = words[q / PER_WORD];
          var v0 = bitcast<f32>(word);
          if (PER_WORD == 2u) { v0 = unpack2x16float(word)[q % 2u]; }
          let v1 = quadSwapX(v0);
          let v2 = quadSwapY(v0);
          let v3 = quadSwapDiagonal(v0);
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[j] += held[i][j] * v0;
          }
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[j] += held[i + 1u][j] * v1;
          }
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[j] += held[i + 2u][j] * v2;
          }
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[j] += held[i + 3u][j] * v3;
          }
        }
      }
      y[at] = sums;
    }
  }
}
