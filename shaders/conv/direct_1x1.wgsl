// y[n, o, p] = bias[o] + temb[n, o] + sum_c w[o, c] * in[n, c, p] + residual[n, o, p]
// What conv1x1_quad does, for any number of pixels and without subgroups; w as there.
// Dispatch: a lane per TILE_M channels x TILE_P pixels: x = ceil(tiles / WG), folded into two dimensions.
override N: u32;               // uniform
override C1: u32;              // uniform
override C2: u32 = 0u;         // uniform
override OC: u32;              // uniform
override P: u32;               // uniform
override NORM: bool = false;
override SILU: bool = false;
override TEMB: bool = false;
override RESIDUAL: bool = false;
override SKIP_N: u32 = 1u;     // uniform
override NORM_N: u32 = 1u;     // uniform
override TEMB_N: u32 = 1u;     // uniform
override TEMB_WIDTH: u32 = 0u; // uniform
override TEMB_OFFSET: u32 = 0u; // uniform
override RESIDUAL_N: u32 = 1u; // uniform
override WG: u32 = 64u;

const TILE_M: u32 = 8u;
const TILE_P: u32 = 4u;
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

fn weight(at: u32) -> f32 {
  if (PER_WORD == 2u) { return unpack2x16float(w[at / 2u])[at % 2u]; }
  return bitcast<f32>(w[at]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles_p = (P + TILE_P - 1u) / TILE_P;
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let tile = (wg.y * grid.x + wg.x) * WG + local;
  if (tile >= tiles_p * tiles_m * N) { return; }
  let p0 = tile % tiles_p * TILE_P;
  let m0 = tile / tiles_p % tiles_m * TILE_M;
  let n = tile / (tiles_p * tiles_m);
  let depth = (C1 + C2 + 3u) / 4u * 4u;
  let skip_n = n % SKIP_N;
  let norm0 = n % NORM_N * (C1 + C2);

  var sums: array<array<f32, TILE_P>, TILE_M>;
  for (var c = 0u; c < C1 + C2; c++) {
    var columns: array<f32, TILE_P>;
    for (var j = 0u; j < TILE_P; j++) { // unroll
      let p = min(p0 + j, P - 1u);
      if (c < C1) { columns[j] = x[(n * C1 + c) * P + p]; } else { columns[j] = skip[(skip_n * C2 + c - C1) * P + p]; }
      if (NORM) { columns[j] = (columns[j] - norm[(norm0 + c) * 4u]) * norm[(norm0 + c) * 4u + 1u] + norm[(norm0 + c) * 4u + 2u]; }
      if (SILU) { columns[j] = columns[j] / (1.0 + exp(-columns[j])); }
    }
    for (var i = 0u; i < TILE_M; i++) { // unroll
      let v = weight(min(m0 + i, OC - 1u) * depth + c);
      for (var j = 0u; j < TILE_P; j++) { // unroll
        sums[i][j] += v * columns[j];
      }
    }
  }

  for (var i = 0u; i < TILE_M; i++) { // unroll
    let o = m0 + i;
    if (o < OC) {
      var base = bias[o];
      if (TEMB) { base += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
      for (var j = 0u; j < TILE_P; j++) { // unroll
        let p = p0 + j;
        if (p < P) {
          var v = sums[i][j] + base;
          if (RESIDUAL) { v += residual[(n % RESIDUAL_N * OC + o) * P + p]; }
          y[(n * OC + o) * P + p] = v;
        }
      }
    }
  }
}
