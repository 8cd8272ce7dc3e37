// y = A^T m A + bias + temb + residual: M x M pixels of channel o from the SIDE^2 sums m of a tile.
// F(M x M, 3 x 3), Lavin & Gray 2016; with STRIDE 2 by parts of equal parity, Huang et al. 2020
// m: f32 [SIDE^2, ROWS, COLS], ROWS >= OC; bias: f32 [OC]; temb: f32 [TEMB_N, TEMB_WIDTH], columns from TEMB_OFFSET on;
// residual: f32 [RESIDUAL_N, OC, OH, OW]; y: f32 [N, OC, OH, OW]; fewer samples than y are read modulo theirs.
// Tile columns as in winograd_input. A lane does TILES tiles side by side, which divide the tiles in a row and COLS; where
// WHOLE, OW and OH are multiples of M TILES = Y_UNIT and of M, and rows are stored at once.
// Dispatch: x = ceil(OC * COLS / TILES / WG), folded into two dimensions.
override N: u32;               // uniform
override OC: u32;              // uniform
override ROWS: u32;            // uniform
override OH: u32;              // uniform
override OW: u32;              // uniform
override TILES_X: u32;         // uniform
override TILES_Y: u32;         // uniform
override SAMPLE: u32;          // uniform: TILES_X * TILES_Y at least
override TEMB: bool = false;
override RESIDUAL: bool = false;
override TEMB_N: u32 = 1u;     // uniform
override TEMB_WIDTH: u32 = 0u; // uniform
override TEMB_OFFSET: u32 = 0u; // uniform
override RESIDUAL_N: u32 = 1u; // uniform
override COL_START: u32 = 0u;  // uniform
override COLS: u32;            // uniform
override WG: u32 = 64u;

const M: u32 = 4u;            // output pixels along a tile's side: 4 or 2; 2 where STRIDE is 2
const STRIDE: u32 = 1u;
const TILES: u32 = 1u;        // more than 1 where WHOLE only
const WHOLE: bool = false;
const Y_UNIT: u32 = 1u;
const SIDE: u32 = (M - 1u) * STRIDE + 3u;

@group(0) @binding(0) var<storage, read> m: array<array<f32, TILES>>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> temb: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<array<f32, Y_UNIT>>;
@group(0) @binding(4) var<storage, read_write> y: array<array<f32, Y_UNIT>>;

// A^T d for one line of SIDE: M values; what is behind them does not count.
fn transform(d: array<f32, 6>) -> array<f32, 4> {
  if (STRIDE == 2u) { return array(d[0] + d[1] + d[3], d[1] - d[2] + d[4], 0.0, 0.0); }
  if (M == 2u) { return array(d[0] + d[1] + d[2], d[1] - d[2] - d[3], 0.0, 0.0); }
  let sum1 = d[1] + d[2];
  let sum2 = d[3] + d[4];
  let diff1 = d[1] - d[2];
  let diff2 = d[3] - d[4];
  return array(d[0] + sum1 + sum2, diff1 + 2.0 * diff2, sum1 + 4.0 * sum2, diff1 + 8.0 * diff2 + d[5]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * WG + local;
  let width = COLS / TILES;
  if (id >= OC * width) { return; }
  let o = id / width;
  let column = COL_START + id % width * TILES;
  let n = column / SAMPLE;
  let place = column % SAMPLE;
  if (n >= N || place >= TILES_X * TILES_Y) { return; }      // padding
  let oy = place / TILES_X * M;
  let ox = place % TILES_X * M;

  var rows: array<array<array<f32, 6>, M>, TILES>;
  for (var j = 0u; j < SIDE; j++) { // unroll
    var sums: array<array<f32, 6>, TILES>;
    for (var i = 0u; i < SIDE; i++) { // unroll
      let loaded = m[(i * SIDE + j) * ROWS * width + id];
      for (var t = 0u; t < TILES; t++) { // unroll
        sums[t][i] = loaded[t];
      }
    }
    for (var t = 0u; t < TILES; t++) { // unroll
      let line = transform(sums[t]);
      for (var i = 0u; i < M; i++) { // unroll
        rows[t][i][j] = line[i];
      }
    }
  }
  var base = bias[o];
  if (TEMB) { base += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
  let y0 = ((n * OC + o) * OH * OW + oy * OW + ox) / Y_UNIT;
  let r0 = ((n % RESIDUAL_N * OC + o) * OH * OW + oy * OW + ox) / Y_UNIT;
  let down = OW / Y_UNIT;
  for (var i = 0u; i < M; i++) { // unroll
    if (WHOLE) {
      var out: array<f32, Y_UNIT>;
      for (var t = 0u; t < TILES; t++) { // unroll
        let line = transform(rows[t][i]);
        for (var j = 0u; j < M; j++) { // unroll
          out[(t * M + j) % Y_UNIT] = line[j] + base;
        }
      }
      if (RESIDUAL) {
        let added = residual[r0 + i * down];
        for (var j = 0u; j < Y_UNIT; j++) { // unroll
          out[j] += added[j];
        }
      }
      y[y0 + i * down] = out;
    } else if (oy + i < OH) {
      let line = transform(rows[0][i]);
      for (var j = 0u; j < M; j++) { // unroll
        if (ox + j < OW) {
          var value = line[j] + base;
          if (RESIDUAL) { value += residual[r0 + i * OW + j][0]; }
          y[y0 + i * OW + j][0] = value;
        }
      }
    }
  }
}
