// 3x3 convolution from few channels, for software adapters: lib/conv says of what; STRIDE is 1 and there is no skip. A lane holds
// the input under a tile of pixels while the output channels pass by: each value is loaded once for all of them.
// w: f32, or f16 pairs, [OC, 4 (lane), WORDS words], from [OC, C1, 3, 3]: word i of a channel is number i / 4 of lane i % 4.
// A task is four tiles. Each lane of a quad loads a quarter of a channel's weights, and all get each weight at the same moment:
// they need it at the same place of their windows, where quadSwap alone would bring each lane another one.
// import conv, added, tile_window, store, quad
const BUILT_IN: bool = false;
const CHANNELS: u32 = 3u;      // C1
const WHOLE: bool = false;     // may be true where tiles, in fours, cover just the picture
const DEPTH: u32 = TAPS * CHANNELS;
const WORDS: u32 = (DEPTH + 4u * PER_WORD - 1u) / (4u * PER_WORD);
alias Words = array<u32, WORDS>;

fn tiles_x() -> u32 { return ceil_div(OW, TILE_X); }
fn quads() -> u32 { return ceil_div(tiles_x() * ceil_div(OH, TILE_Y), 4u); }
fn tasks() -> u32 { return quads() * N; }

fn task(id: u32, lane: u32) {
  let n = id / quads();
  let tile = id % quads() * 4u + lane;
  let ox = tile % tiles_x() * TILE_X;
  let oy = tile / tiles_x() * TILE_Y;
  let at = window_at(oy, 1u, ox, 1u);

  var values: array<f32, CHANNELS * ROWS * COLUMNS>;
  for (var c = 0u; c < CHANNELS; c++) {
    let affine = affine_at(norm_start(n) + c);
    let plane = (n * CHANNELS + c) * PLANE;
    for (var r = 0u; r < ROWS; r++) { // unroll
      for (var q = 0u; q < COLUMNS; q++) { // unroll
        let v = prepared(x[plane + at.rows[r] + at.columns[q]], affine);
        values[(c * ROWS + r) * COLUMNS + q] = masked(v, at.rows_inside[r] & at.columns_inside[q]);
      }
    }
  }
  let held = values;
  let masks = lane_masks(lane);

  for (var o = 0u; o < OC; o++) {
    let added = base(n, o);
    var sums: array<f32, TILE_Y * TILE_X>;
    for (var p = 0u; p < TILE_Y * TILE_X; p++) { sums[p] = added; } // unroll
    let own = w[o * 4u + lane];
    for (var k = 0u; k < DEPTH; k++) { // unroll
      let tap = unpacked(shared_value(own[k / PER_WORD / 4u] & masks[k / PER_WORD % 4u]), k);
      for (var p = 0u; p < TILE_Y * TILE_X; p++) { // unroll
        const row = k / TAPS * ROWS + k % TAPS / 3u + p / TILE_X;
        sums[p] += held[row * COLUMNS + k % 3u + p % TILE_X] * tap;
      }
    }
    for (var p = 0u; p < TILE_Y * TILE_X; p++) { // unroll
      let y_at = oy + p / TILE_X;
      let x_at = ox + p % TILE_X;
      if (WHOLE) {
        store(sums[p], n, o, y_at * OW + x_at, OH * OW);
      } else if ((y_at < OH) & (x_at < OW)) {
        store(sums[p], n, o, y_at * OW + x_at, OH * OW);
      }
    }
  }
}
