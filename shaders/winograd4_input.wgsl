// V[t, k, c] = (B^T d B)[t] of the 6x6 input tile d of channel c at tile column k.   F(4x4, 3x3), Lavin & Gray 2016
// d = act((x - mean) * scale + shift) of [x, skip] joined on channels, optionally enlarged x2 (nearest); 0 outside.
// x: f32 [N, C1, H, W]; skip: f32 [SKIP_N, C2, H, W]; norm: f32 [NORM_N, C1 + C2, 4]; v: f32 [36, COLS, K].
// Tile columns run over (sample, tile row, tile column); this dispatch does COLS of them from COL_START on.
// Channels from C1 + C2 up to K (a multiple of 4) are written as 0.
// Dispatch: one lane per (tile column, channel): x = ceil(COLS * K / WG), folded into two dimensions.
override N: u32;
override C1: u32;
override C2: u32 = 0u;
override K: u32;
override H: u32;              // of x and skip
override W: u32;
override OH: u32;
override OW: u32;
override UPSAMPLE: u32 = 1u;  // 2: x and skip are enlarged first
override NORM: bool = false;
override SILU: bool = false;
override SKIP_N: u32 = 1u;
override NORM_N: u32 = 1u;
override COL_START: u32 = 0u;
override COLS: u32;
override WG: u32 = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;

// B^T d for one line of six.
fn transform(d0: f32, d1: f32, d2: f32, d3: f32, d4: f32, d5: f32) -> array<f32, 6> {
  let even = d4 - 4.0 * d2;
  let odd = d3 - 4.0 * d1;
  let even2 = d4 - d2;
  let odd2 = 2.0 * (d3 - d1);
  return array(4.0 * d0 - 5.0 * d2 + d4, even + odd, even - odd, even2 + odd2, even2 - odd2, 4.0 * d1 - 5.0 * d3 + d5);
}

// (mean, scale, shift) of channel i.
fn affine_at(i: u32) -> vec3f {
  return vec3f(norm[i * 4u], norm[i * 4u + 1u], norm[i * 4u + 2u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * WG + local;
  if (id >= COLS * K) { return; }
  let c = id % K;
  let tiles_x = (OW + 3u) / 4u;
  let tiles_y = (OH + 3u) / 4u;
  let column = COL_START + id / K;
  let n = column / (tiles_x * tiles_y);
  let y0 = column / tiles_x % tiles_y * 4u - 1u;     // wraps above and left of the picture
  let x0 = column % tiles_x * 4u - 1u;

  var affine = vec3f(0.0, 1.0, 0.0);
  if (NORM) { affine = affine_at(n % NORM_N * (C1 + C2) + min(c, C1 + C2 - 1u)); }
  var row_at: array<u32, 6>;
  var column_at: array<u32, 6>;
  var row_inside: array<bool, 6>;
  var column_inside: array<bool, 6>;
  for (var i = 0u; i < 6u; i++) { // unroll
    row_inside[i] = y0 + i < H * UPSAMPLE && c < C1 + C2;
    column_inside[i] = x0 + i < W * UPSAMPLE;
    row_at[i] = min((y0 + i) / UPSAMPLE, H - 1u) * W;
    column_at[i] = min((x0 + i) / UPSAMPLE, W - 1u);
  }
  var d: array<f32, 36>;
  if (C2 == 0u || c < C1) {
    let plane = (n * C1 + c) * H * W;
    for (var i = 0u; i < 6u; i++) { // unroll
      for (var j = 0u; j < 6u; j++) { // unroll
        d[i * 6u + j] = x[plane + row_at[i] + column_at[j]];
      }
    }
  } else {
    let plane = ((n % SKIP_N) * C2 + c - C1) * H * W;
    for (var i = 0u; i < 6u; i++) { // unroll
      for (var j = 0u; j < 6u; j++) { // unroll
        d[i * 6u + j] = skip[plane + row_at[i] + column_at[j]];
      }
    }
  }
  for (var i = 0u; i < 6u; i++) { // unroll
    for (var j = 0u; j < 6u; j++) { // unroll
      var value = d[i * 6u + j];
      if (NORM) { value = (value - affine.x) * affine.y + affine.z; }
      if (SILU) { value = value / (1.0 + exp(-value)); }
      d[i * 6u + j] = select(0.0, value, row_inside[i] && column_inside[j]);
    }
  }
  for (var i = 0u; i < 6u; i++) { // unroll
    let line = transform(d[i * 6u], d[i * 6u + 1u], d[i * 6u + 2u], d[i * 6u + 3u], d[i * 6u + 4u], d[i * 6u + 5u]);
    for (var j = 0u; j < 6u; j++) { // unroll
      d[i * 6u + j] = line[j];
    }
  }
  for (var j = 0u; j < 6u; j++) { // unroll
    let line = transform(d[j], d[6u + j], d[12u + j], d[18u + j], d[24u + j], d[30u + j]);
    for (var i = 0u; i < 6u; i++) { // unroll
      v[(i * 6u + j) * COLS * K + id] = line[i];
    }
  }
}
