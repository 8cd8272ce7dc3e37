// y[n, o, p] = bias[o] + temb[n, o] + sum_c w[o, c] * in[n, c, p] + residual[n, o, p]
// in = act((x - mean) * scale + shift) of [x, skip] joined on channels.
// x: f32 [N, C1, P]; skip: f32 [SKIP_N, C2, P]; norm: f32 [NORM_N, C1 + C2, 4]; y: f32 [N, OC, P]; P: pixels.
// w: f32, or f16 pairs, [OC, K], K = C1 + C2 rounded up to TILE_K, padded with 0.  Fewer samples than y are read modulo theirs.
//
// A subgroup computes TILE_M channels x 4 TILE_N pixels. Its lanes lie along pixels; each lane of a quad loads a different
// channel's weights, and quadSwap shares the four: lane l holds channels 4i + (l ^ s) in component s of its sums.
// Dispatch: 4 lanes per tile: x = ceil(tiles / (WG / 4)), tiles = ceil(OC / TILE_M) * ceil(P / (4 TILE_N)) * N.
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `tile` is the same in all lanes of a quad

override N: u32;
override C1: u32;
override C2: u32 = 0u;
override OC: u32;
override P: u32;
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
override WG: u32 = 16u;

const TILE_M: u32 = 32u;      // a multiple of 4
const TILE_N: u32 = 4u;
const TILE_K: u32 = 4u;
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const WORDS: u32 = TILE_K / PER_WORD;
const QUADS: u32 = TILE_M / 4u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<array<u32, WORDS>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

fn weight(words: array<u32, WORDS>, q: u32) -> f32 {
  if (PER_WORD == 2u) { return unpack2x16float(words[q / PER_WORD])[q % 2u]; }
  return bitcast<f32>(words[q / PER_WORD]);
}

// (mean, scale, shift) of channel i.
fn affine_at(i: u32) -> vec3f {
  return vec3f(norm[i * 4u], norm[i * 4u + 1u], norm[i * 4u + 2u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles_p = (P + TILE_N * 4u - 1u) / (TILE_N * 4u);
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let tile = (wg.y * grid.x + wg.x) * (WG / 4u) + local / 4u;
  if (tile >= tiles_p * tiles_m * N) { return; }
  let lane = local % 4u;
  let p0 = tile % tiles_p * (TILE_N * 4u) + lane;
  let m0 = tile / tiles_p % tiles_m * TILE_M;
  let n = tile / (tiles_p * tiles_m);
  let blocks = (C1 + C2 + TILE_K - 1u) / TILE_K;

  var pixel: array<u32, TILE_N>;
  for (var j = 0u; j < TILE_N; j++) { // unroll
    pixel[j] = min(p0 + j * 4u, P - 1u);
  }
  var sums: array<vec4f, QUADS * TILE_N>;
  for (var k = 0u; k < blocks; k++) {
    var columns: array<array<f32, TILE_K>, TILE_N>;
    let c0 = k * TILE_K;
    if (c0 + TILE_K <= C1) {
      for (var q = 0u; q < TILE_K; q++) { // unroll
        for (var j = 0u; j < TILE_N; j++) { // unroll
          columns[j][q] = x[(n * C1 + c0 + q) * P + pixel[j]];
        }
      }
    } else {
      for (var q = 0u; q < TILE_K; q++) { // unroll
        let c = min(c0 + q, C1 + C2 - 1u);     // past the last channel the weight is 0
        for (var j = 0u; j < TILE_N; j++) { // unroll
          if (c < C1) {
            columns[j][q] = x[(n * C1 + c) * P + pixel[j]];
          } else {
            columns[j][q] = skip[(n % SKIP_N * C2 + c - C1) * P + pixel[j]];
          }
        }
      }
    }
    if (NORM) {
      for (var q = 0u; q < TILE_K; q++) { // unroll
        let affine = affine_at(n % NORM_N * (C1 + C2) + min(c0 + q, C1 + C2 - 1u));
        for (var j = 0u; j < TILE_N; j++) { // unroll
          columns[j][q] = (columns[j][q] - affine.x) * affine.y + affine.z;
        }
      }
    }
    if (SILU) {
      for (var q = 0u; q < TILE_K; q++) { // unroll
        for (var j = 0u; j < TILE_N; j++) { // unroll
          columns[j][q] = columns[j][q] / (1.0 + exp(-columns[j][q]));
        }
      }
    }
    for (var i = 0u; i < QUADS; i++) { // unroll
      let words = w[min(m0 + i * 4u + lane, OC - 1u) * blocks + k];
      var rows: array<vec4f, TILE_K>;
      for (var q = 0u; q < TILE_K; q++) { // unroll
        let v = weight(words, q);
        rows[q] = vec4f(v, quadSwapX(v), quadSwapY(v), quadSwapDiagonal(v));
      }
      for (var s = 0u; s < 4u; s++) { // unroll
        for (var j = 0u; j < TILE_N; j++) { // unroll
          var sum = sums[i * TILE_N + j][s];
          for (var q = 0u; q < TILE_K; q++) { // unroll
            sum += rows[q][s] * columns[j][q];
          }
          sums[i * TILE_N + j][s] = sum;
        }
      }
    }
  }

  for (var i = 0u; i < QUADS; i++) { // unroll
    for (var s = 0u; s < 4u; s++) { // unroll
      let o = m0 + i * 4u + (lane ^ s);
      if (o < OC) {
        var base = bias[o];
        if (TEMB) { base += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
        for (var j = 0u; j < TILE_N; j++) { // unroll
          let p = p0 + j * 4u;
          if (p < P) {
            var v = sums[i * TILE_N + j][s] + base;
            if (RESIDUAL) { v += residual[(n % RESIDUAL_N * OC + o) * P + p]; }
            y[(n * OC + o) * P + p] = v;
          }
        }
      }
    }
  }
}
