// y = A^T m A + bias + temb + residual: 2x2 pixels of channel o from the 16 sums of a tile.   F(2x2, 3x3), Lavin & Gray 2016
// m: f32 [16, ROWS, COLS], ROWS >= OC; bias: f32 [OC]; temb: f32 [TEMB_N, TEMB_WIDTH], columns from TEMB_OFFSET on;
// residual: f32 [RESIDUAL_N, OC, OH, OW]; y: f32 [N, OC, OH, OW]; fewer samples than y are read modulo theirs.
// Tile columns as in winograd2_input.   Dispatch: x = ceil(OC * COLS / WG), folded into two dimensions.
override N: u32;
override OC: u32;
override ROWS: u32;
override OH: u32;
override OW: u32;
override TILES_X: u32;
override TILES_Y: u32;
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

// A^T m for one line of four.
fn transform(m0: f32, m1: f32, m2: f32, m3: f32) -> array<f32, 2> {
  return array(m0 + m1 + m2, m1 - m2 - m3);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * WG + local;
  if (id >= OC * COLS) { return; }
  let o = id / COLS;
  let column = COL_START + id % COLS;
  let n = column / (TILES_X * TILES_Y);
  if (n >= N) { return; }                                    // padding
  let oy = column / TILES_X % TILES_Y * 2u;
  let ox = column % TILES_X * 2u;

  var rows: array<array<f32, 4>, 2>;
  for (var j = 0u; j < 4u; j++) { // unroll
    var sums: array<f32, 4>;
    for (var i = 0u; i < 4u; i++) { // unroll
      sums[i] = m[(i * 4u + j) * ROWS * COLS + id];
    }
    let line = transform(sums[0], sums[1], sums[2], sums[3]);
    for (var i = 0u; i < 2u; i++) { // unroll
      rows[i][j] = line[i];
    }
  }
  var base = bias[o];
  if (TEMB) { base += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
  let y0 = (n * OC + o) * OH * OW + oy * OW + ox;
  let r0 = (n % RESIDUAL_N * OC + o) * OH * OW + oy * OW + ox;
  for (var i = 0u; i < 2u; i++) { // unroll
    if (oy + i < OH) {
      let line = transform(rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
      for (var j = 0u; j < 2u; j++) { // unroll
        if (ox + j < OW) {
          var value = line[j] + base;
          if (RESIDUAL) { value += residual[r0 + i * OW + j]; }
          y[y0 + i * OW + j] = value;
        }
      }
    }
  }
}
