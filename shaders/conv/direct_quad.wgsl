// y[n, o, p] = bias[o] + temb[n, o] + sum_{c, dy, dx} w[o, c, dy, dx] * in[n, c, STRIDE p + (dy, dx) - PAD] + residual[n, o, p]
// in = act((x - mean) * scale + shift) of [x, skip] joined on channels, optionally enlarged x2 (nearest); 0 outside.
// x: f32 [N, C1, H, W]; skip: f32 [SKIP_N, C2, H, W]; norm: f32 [NORM_N, C1 + C2, 4]; y: f32 [N, OC, OH, OW].
// w: f32, or f16 pairs, [ceil(OC / TILE_M), C1 + C2, 4 (lane), TILE_M / 4, 3 (dy), 3 (dx)], channel 4i + lane of its tile at i.
// Tensors with fewer samples than y are read modulo theirs.
//
// Direct convolution. A lane computes TILE_M output channels of a column of TILE_Y pixels. Each lane of a quad loads a
// different channel's weights and quadSwap shares the four: lane l holds channels 4i + (l ^ s) in component s of its sums.
// Dispatch: one subgroup of 4 lanes per (4 columns, TILE_M channels): x = ceil(groups * N * OC / TILE_M / (WG / 4)).
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `task` is the same in all lanes of a quad

override N: u32;               // uniform
override C1: u32;              // uniform
override C2: u32 = 0u;         // uniform: 0 unless SKIP
override OC: u32;              // uniform
override H: u32;               // uniform: of x and skip
override W: u32;               // uniform
override OH: u32;              // uniform
override OW: u32;              // uniform
override PAD: u32 = 1u;        // uniform: left and top; right and bottom follow from OH and OW
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

const SKIP: bool = false;     // C2 > 0
const TILE_M: u32 = 16u;      // a multiple of 4, of 8 where weights are f16
const TILE_Y: u32 = 4u;
const STRIDE: u32 = 1u;
const UPSAMPLE: u32 = 1u;     // 2: x and skip are enlarged first
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const ROWS: u32 = (TILE_Y - 1u) * STRIDE + 3u;   // input rows of a column
const QUADS: u32 = TILE_M / 4u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<array<u32, 9>>;   // 9 taps, or 18
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

// (mean, scale, shift) of channel i.
fn affine_at(i: u32) -> vec3f {
  return vec3f(norm[i * 4u], norm[i * 4u + 1u], norm[i * 4u + 2u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let bands = (OH + TILE_Y - 1u) / TILE_Y;
  let groups = (bands * OW + 3u) / 4u;         // of 4 columns, running on from band to band
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let task = (wg.y * grid.x + wg.x) * (WG / 4u) + local / 4u;
  if (task >= groups * tiles_m * N) { return; }
  let lane = local % 4u;
  let column = task % groups * 4u + lane;
  let m0 = task / groups % tiles_m * TILE_M;
  let n = task / (groups * tiles_m);
  let ox = column % OW;
  let oy = column / OW * TILE_Y;

  var row_at: array<u32, ROWS>;                // offset of each input row, or OUTSIDE
  var inside: array<bool, ROWS>;
  for (var r = 0u; r < ROWS; r++) { // unroll
    let iy = oy * STRIDE + r - PAD;            // wraps above the first row
    inside[r] = iy < H * UPSAMPLE;
    row_at[r] = min(iy / UPSAMPLE, H - 1u) * W;
  }

  let plane = H * W;
  let skip0 = n % SKIP_N * C2;
  let norm0 = n % NORM_N * (C1 + C2);
  var w_at = (m0 / TILE_M * (C1 + C2) * 4u + lane) * QUADS;
  var column_at: array<u32, 3>;
  var column_inside: array<bool, 3>;
  for (var dx = 0u; dx < 3u; dx++) { // unroll
    let ix = ox * STRIDE + dx - PAD;
    column_inside[dx] = ix < W * UPSAMPLE;
    column_at[dx] = min(ix / UPSAMPLE, W - 1u);
  }

  var sums: array<vec4f, QUADS * TILE_Y>;
  for (var c = 0u; c < C1 + C2; c++) {
    var affine = vec3f(0.0, 1.0, 0.0);
    if (NORM) { affine = affine_at(norm0 + c); }
    let channel = select((skip0 + c - C1) * plane, (n * C1 + c) * plane, c < C1);
    var pixels: array<array<f32, 3>, ROWS>;
    if (!SKIP || c < C1) {
      for (var r = 0u; r < ROWS; r++) { // unroll
        for (var dx = 0u; dx < 3u; dx++) { // unroll
          pixels[r][dx] = x[channel + row_at[r] + column_at[dx]];
        }
      }
    } else {
      for (var r = 0u; r < ROWS; r++) { // unroll
        for (var dx = 0u; dx < 3u; dx++) { // unroll
          pixels[r][dx] = skip[channel + row_at[r] + column_at[dx]];
        }
      }
    }
    for (var r = 0u; r < ROWS; r++) { // unroll
      for (var dx = 0u; dx < 3u; dx++) { // unroll
        var v = pixels[r][dx];
        if (NORM) { v = (v - affine.x) * affine.y + affine.z; }
        if (SILU) { v = v / (1.0 + exp(-v)); }
        pixels[r][dx] = select(0.0, v, inside[r] && column_inside[dx]);
      }
    }
    for (var i = 0u; i < QUADS; i++) { // unroll
      let words = w[(w_at + i) / PER_WORD];
      var taps: array<f32, 9>;
      for (var t = 0u; t < 9u; t++) { // unroll
        const at = i % PER_WORD * 9u + t;
        if (PER_WORD == 2u) { taps[t] = unpack2x16float(words[at / PER_WORD])[at % 2u]; } else { taps[t] = bitcast<f32>(words[at / PER_WORD]); }
      }
      for (var s = 0u; s < 4u; s++) { // unroll
        var shared_taps: array<f32, 9>;
        for (var t = 0u; t < 9u; t++) { // unroll
          let v = taps[t];
          if (s == 0u) { shared_taps[t] = v; } else if (s == 1u) { shared_taps[t] = quadSwapX(v); } else if (s == 2u) { shared_taps[t] = quadSwapY(v); } else { shared_taps[t] = quadSwapDiagonal(v); }
        }
        for (var j = 0u; j < TILE_Y; j++) { // unroll
          var sum = sums[i * TILE_Y + j][s];
          for (var dy = 0u; dy < 3u; dy++) { // unroll
            let row = pixels[j * STRIDE + dy];
            sum += dot(vec3f(row[0], row[1], row[2]), vec3f(shared_taps[3u * dy], shared_taps[3u * dy + 1u], shared_taps[3u * dy + 2u]));
          }
          sums[i * TILE_Y + j][s] = sum;
        }
      }
    }
    w_at += TILE_M;
  }

  for (var i = 0u; i < QUADS; i++) { // unroll
    for (var s = 0u; s < 4u; s++) { // unroll
      let o = m0 + i * 4u + (lane ^ s);
      if (o < OC && oy < OH) {
        var base = bias[o];
        if (TEMB) { base += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
        for (var j = 0u; j < TILE_Y; j++) { // unroll
          let at = (oy + j) * OW + ox;
          if (oy + j < OH) {
            var v = sums[i * TILE_Y + j][s] + base;
            if (RESIDUAL) { v += residual[(n % RESIDUAL_N * OC + o) * OH * OW + at]; }
            y[(n * OC + o) * OH * OW + at] = v;
          }
        }
      }
    }
  }
}
