// y = A^T m A + bias + temb + residual: 4x4 pixels of channel o from the 36 sums of a tile.   F(4x4, 3x3), Lavin & Gray 2016
// m: f32 [36, OC, COLS]; bias: f32 [OC]; temb: f32 [TEMB_N, TEMB_WIDTH], columns from TEMB_OFFSET on;
// residual: f32 [RESIDUAL_N, OC, OH, OW]; y: f32 [N, OC, OH, OW]; fewer samples than y are read modulo theirs.
// Tile columns as in winograd4_input.   Dispatch: one lane per (channel, tile column): x = ceil(OC * COLS / WG).
override N: u32;
override OC: u32;
override OH: u32;
override OW: u32;
override TEMB: bool = false;
override RESIDUAL: bool = false;
override TEMB_N: u32 = 1u;
override TEMB_WIDTH: u32 = 0u;
override TEMB_OFFSET: u32 = 0u;
override RESIDUAL_N: u32 = 1u;
override COL_START: u32 = 0u;
override COLS: u32;
override WG: u32 = 64u;

@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> temb: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// A^T m for one line of six.
fn transform(m0: f32, m1: f32, m2: f32, m3: f32, m4: f32, m5: f32) -> array<f32, 4> {
  let sum1 = m1 + m2;
  let sum2 = m3 + m4;
  let diff1 = m1 - m2;
  let diff2 = m3 - m4;
  return array(m0 + sum1 + sum2, diff1 + 2.0 * diff2, sum1 + 4.0 * sum2, diff1 + 8.0 * diff2 + m5);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * WG + local;
  if (id >= OC * COLS) { return; }
  let o = id / COLS;
  let tiles_x = (OW + 3u) / 4u;
  let tiles_y = (OH + 3u) / 4u;
  let column = COL_START + id % COLS;
  let n = column / (tiles_x * tiles_y);
  let oy = column / tiles_x % tiles_y * 4u;
  let ox = column % tiles_x * 4u;

  var sums: array<f32, 36>;
  for (var t = 0u; t < 36u; t++) { // unroll
    sums[t] = m[t * OC * COLS + id];
  }
  var rows: array<f32, 24>;          // 4 rows of 6
  for (var j = 0u; j < 6u; j++) { // unroll
    let line = transform(sums[j], sums[6u + j], sums[12u + j], sums[18u + j], sums[24u + j], sums[30u + j]);
    for (var i = 0u; i < 4u; i++) { // unroll
      rows[i * 6u + j] = line[i];
    }
  }
  var base = bias[o];
  if (TEMB) { base += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
  let y0 = (n * OC + o) * OH * OW + oy * OW + ox;
  let r0 = (n % RESIDUAL_N * OC + o) * OH * OW + oy * OW + ox;
  for (var i = 0u; i < 4u; i++) { // unroll
    let line = transform(rows[i * 6u], rows[i * 6u + 1u], rows[i * 6u + 2u], rows[i * 6u + 3u], rows[i * 6u + 4u], rows[i * 6u + 5u]);
    for (var j = 0u; j < 4u; j++) { // unroll
      if ((OH % 4u == 0u || oy + i < OH) && (OW % 4u == 0u || ox + j < OW)) {
        var value = line[j] + base;
        if (RESIDUAL) { value += residual[r0 + i * OW + j]; }
        y[y0 + i * OW + j] = value;
      }
    }
  }
}
