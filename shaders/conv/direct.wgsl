// y[n, o, p] = bias[o] + temb[n, o] + sum_{c, dy, dx} w[o, c, dy, dx] * in[n, c, STRIDE p + (dy, dx) - PAD] + residual[n, o, p]
// in = act((x - mean) * scale + shift) of [x, skip] joined on channels, optionally enlarged x2 (nearest); 0 outside.
// x: f32 [N, C1, H, W]; skip: f32 [SKIP_N, C2, H, W]; norm: f32 [NORM_N, C1 + C2, 4]; y: f32 [N, OC, OH, OW].
// w: f32, or f16 pairs, [C1 + C2, 3 (dx), 3 (dy), OC rounded up to TILE_M].  Tensors with fewer samples than y are read modulo theirs.
//
// What conv3x3_quad does, without subgroups: a lane computes TILE_M output channels of a column of TILE_Y pixels.
// Dispatch: one lane per task: x = ceil(columns * N * ceil(OC / TILE_M) / WG), folded into two dimensions.

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
override TEMB: bool = false;
override RESIDUAL: bool = false;
override SKIP_N: u32 = 1u;     // uniform
override NORM_N: u32 = 1u;     // uniform
override TEMB_N: u32 = 1u;     // uniform
override TEMB_WIDTH: u32 = 0u; // uniform
override TEMB_OFFSET: u32 = 0u; // uniform
override RESIDUAL_N: u32 = 1u; // uniform
override WG: u32 = 64u;

const SKIP: bool = false;     // C2 > 0
const TILE_M: u32 = 8u;       // even where weights are f16
const TILE_Y: u32 = 4u;
const STRIDE: u32 = 1u;
const UPSAMPLE: u32 = 1u;     // 2: x and skip are enlarged first
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const ROWS: u32 = (TILE_Y - 1u) * STRIDE + 3u;   // input rows of a column

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> temb: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

// (mean, scale, shift) of channel i.
fn affine_at(i: u32) -> vec3f {
  return vec3f(norm[i * 4u], norm[i * 4u + 1u], norm[i * 4u + 2u]);
}

fn weight(at: u32) -> f32 {
  if (PER_WORD == 2u) { return unpack2x16float(w[at / 2u])[at % 2u]; }
  return bitcast<f32>(w[at]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let bands = (OH + TILE_Y - 1u) / TILE_Y;
  let columns = bands * OW;                    // running on from band to band
  let tiles_m = (OC + TILE_M - 1u) / TILE_M;
  let task = (wg.y * grid.x + wg.x) * WG + local;
  if (task >= columns * tiles_m * N) { return; }
  let column = task % columns;
  let m0 = task / columns % tiles_m * TILE_M;
  let n = task / (columns * tiles_m);
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
  let padded_oc = tiles_m * TILE_M;
  var w_at = m0;

  var sums: array<array<f32, TILE_Y>, TILE_M>;
  for (var c = 0u; c < C1 + C2; c++) {
    var affine = vec3f(0.0, 1.0, 0.0);
    if (NORM) { affine = affine_at(norm0 + c); }
    let channel = select((skip0 + c - C1) * plane, (n * C1 + c) * plane, c < C1);
    for (var dx = 0u; dx < 3u; dx++) {
      let ix = ox * STRIDE + dx - PAD;
      let column_inside = ix < W * UPSAMPLE;
      let at = channel + min(ix / UPSAMPLE, W - 1u);
      var pixels: array<f32, ROWS>;
      if (!SKIP || c < C1) {
        for (var r = 0u; r < ROWS; r++) { // unroll
          pixels[r] = x[at + row_at[r]];
        }
      } else {
        for (var r = 0u; r < ROWS; r++) { // unroll
          pixels[r] = skip[at + row_at[r]];
        }
      }
      for (var r = 0u; r < ROWS; r++) { // unroll
        var v = pixels[r];
        if (NORM) { v = (v - affine.x) * affine.y + affine.z; }
        if (SILU) { v = v / (1.0 + exp(-v)); }
        pixels[r] = select(0.0, v, inside[r] && column_inside);
      }
      for (var i = 0u; i < TILE_M; i++) { // unroll
        for (var dy = 0u; dy < 3u; dy++) { // unroll
          let tap = weight(w_at + dy * padded_oc + i);
          for (var j = 0u; j < TILE_Y; j++) { // unroll
            sums[i][j] += tap * pixels[j * STRIDE + dy];
          }
        }
      }
      w_at += 3u * padded_oc;
    }
  }

  for (var i = 0u; i < TILE_M; i++) { // unroll
    let o = m0 + i;
    if (o < OC && oy < OH) {
      var base = bias[o];
      if (TEMB) { base += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
      for (var j = 0u; j < TILE_Y; j++) { // unroll
        let at = (oy + j) * OW + ox;
        if (oy + j < OH) {
          var v = sums[i][j] + base;
          if (RESIDUAL) { v += residual[(n % RESIDUAL_N * OC + o) * OH * OW + at]; }
          y[(n * OC + o) * OH * OW + at] = v;
        }
      }
    }
  }
}
