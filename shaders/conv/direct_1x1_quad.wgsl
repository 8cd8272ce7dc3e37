// y[n, o, p] = bias[o] + temb[n, o] + sum_c w[o, c] * in[n, c, p] + residual[n, o, p]
// in = act((x - mean) * scale + shift) of [x, skip] joined on channels.
// x: f32 [N, C1, P]; skip: f32 [SKIP_N, C2, P]; norm: f32 [NORM_N, C1 + C2, 4]; y: f32 [N, OC, P]; P: pixels.
// P, and C1 where there is a skip, are multiples of 4.
// w: f32, or f16 pairs, [ceil(OC / TILE_M), K / 4, 4 (lane), TILE_M / 4, 4 (k)], K = C1 + C2 rounded up to 4, padded with 0;
// row 4i + lane of its tile at i.  Tensors with fewer samples than y are read modulo theirs.
//
// A subgroup computes TILE_M channels x 16 pixels, 4 side by side for each of its lanes. Each lane of a quad loads a different
// channel's weights, and quadSwap shares the four: lane l holds channels 4i + (l ^ s) in component s of its sums.
// Dispatch: 4 lanes per tile: x = ceil(tiles / (WG / 4)), tiles = ceil(OC / TILE_M) * ceil(P / 16) * N.
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `tile` is the same in all lanes of a quad

override N: u32;               // uniform
override C1: u32;              // uniform
override C2: u32 = 0u;         // uniform: 0 where PARTS is 1
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
override WG: u32 = 16u;

const PARTS: u32 = 1u;        // 1: x alone; 2: x, then skip
const TILE_M: u32 = 32u;      // a multiple of 4
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const WORDS: u32 = TILE_M / PER_WORD;
const QUADS: u32 = TILE_M / 4u;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> skip: array<vec4f>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read> w: array<array<u32, WORDS>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let width = P / 4u;                                        // pixels in fours
  let tiles_p = (width + 3u) / 4u;
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let tile = (wg.y * grid.x + wg.x) * (WG / 4u) + local / 4u;
  if (tile >= tiles_p * tiles_m * N) { return; }
  let lane = local % 4u;
  let p = tile % tiles_p * 4u + lane;
  let m0 = tile / tiles_p % tiles_m * TILE_M;
  let n = tile / (tiles_p * tiles_m);
  let blocks = (C1 + C2 + 3u) / 4u;
  let x0 = n * C1 * width + min(p, width - 1u);
  let skip0 = n % SKIP_N * C2 * width + min(p, width - 1u);
  let norm0 = n % NORM_N * (C1 + C2);

  let w0 = m0 / TILE_M * blocks * 4u + lane;
  var sums: array<array<f32, 16>, QUADS>;                    // [channel quad][s, pixel]
  for (var part = 0u; part < PARTS; part++) { // unroll
    let channels = select(C1, C2, part == 1u);
    let from_channel = part * C1;
    let start = select(x0, skip0, part == 1u);
    for (var k = 0u; k < (channels + 3u) / 4u; k++) {
      var columns: array<vec4f, 4>;
      for (var q = 0u; q < 4u; q++) { // unroll
        let c = min(k * 4u + q, channels - 1u);              // past the last channel the weight is 0
        if (part == 0u) { columns[q] = x[start + c * width]; } else { columns[q] = skip[start + c * width]; }
        if (NORM) {
          let affine = norm[norm0 + from_channel + c];
          columns[q] = (columns[q] - affine.x) * affine.y + affine.z;
        }
        if (SILU) { columns[q] = columns[q] / (1.0 + exp(-columns[q])); }
      }
      let rows = w[w0 + (from_channel / 4u + k) * 4u];
      for (var i = 0u; i < QUADS; i++) { // unroll
        for (var s = 0u; s < 4u; s++) { // unroll
          var row: array<f32, 4>;
          for (var q = 0u; q < 4u; q++) { // unroll
            let word = rows[(i * 4u + q) / PER_WORD];
            var v = bitcast<f32>(word);
            if (PER_WORD == 2u) { v = unpack2x16float(word)[q % 2u]; }
            if (s == 0u) { row[q] = v; } else if (s == 1u) { row[q] = quadSwapX(v); } else if (s == 2u) { row[q] = quadSwapY(v); } else { row[q] = quadSwapDiagonal(v); }
          }
          for (var j = 0u; j < 4u; j++) { // unroll
            sums[i][s * 4u + j] += dot(
              vec4f(columns[0][j], columns[1][j], columns[2][j], columns[3][j]),
              vec4f(row[0], row[1], row[2], row[3]));
          }
        }
      }
    }
  }

  for (var i = 0u; i < QUADS; i++) { // unroll
    for (var s = 0u; s < 4u; s++) { // unroll
      let o = m0 + i * 4u + (lane ^ s);
      if (o < OC && p < width) {
        var base = bias[o];
        if (TEMB) { base += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
        var out = base + vec4f(sums[i][s * 4u], sums[i][s * 4u + 1u], sums[i][s * 4u + 2u], sums[i][s * 4u + 3u]);
        if (RESIDUAL) { out += residual[(n % RESIDUAL_N * OC + o) * width + p]; }
        y[(n * OC + o) * width + p] = out;
      }
    }
  }
}
