// y = A^T m A + what follows (lib/after): M x M pixels of channel o from the SIDE^2 sums m of a tile. lib/winograd has the tiles.
// m: f32 [SIDE^2, ROWS, COLS], ROWS >= OC; y: f32 [N, OC, OH, OW]. Where WHOLE, OW and OH are multiples of M TILES = Y_UNIT
// and of M, and rows are stored at once; TILES is 1 otherwise.
// import output_size, winograd, winograd_back, after, added, lanes
const OUT_M: u32 = M;
const OUT_STRIDE: u32 = STRIDE;
const OUT_NARROW: bool = NARROW;
alias Out = array<f32, Y_UNIT>;
override ROWS: u32;            // uniform
override TILES_Y: u32;         // uniform
const WHOLE: bool = false;
const Y_UNIT: u32 = 1u;

@group(0) @binding(4) var<storage, read> m: array<array<f32, TILES>>;

fn tasks() -> u32 { return OC * width(); }

fn task(id: u32) {
  let column = first_tile(id);
  let n = column / SAMPLE;
  let place = column % SAMPLE;
  if (n < N && place < TILES_X * TILES_Y) {                  // else padding
    tile(id, n, id / width(), place / TILES_X * M, place % TILES_X * M);
  }
}

// The tiles of sums from `id` on: those of channel o at row oy and column ox of sample n.
fn tile(id: u32, n: u32, o: u32, oy: u32, ox: u32) {
  var rows: array<array<array<f32, 6>, M>, TILES>;
  for (var j = 0u; j < SIDE; j++) { // unroll
    var sums: array<array<f32, 6>, TILES>;
    for (var i = 0u; i < SIDE; i++) { // unroll
      let loaded = m[(i * SIDE + j) * ROWS * width() + id];
      for (var t = 0u; t < TILES; t++) { sums[t][POSITION[i]] = loaded[t]; } // unroll
    }
    for (var t = 0u; t < TILES; t++) { // unroll
      let line = back(sums[t]);
      for (var i = 0u; i < M; i++) { rows[t][i][POSITION[j]] = line[i]; } // unroll
    }
  }
  let added = base(n, o);
  let down = OW >> firstTrailingBit(Y_UNIT);
  let inside = oy * down + (ox >> firstTrailingBit(Y_UNIT));
  let y0 = (n * OC + o) * OH * down + inside;
  let r0 = (n % RESIDUAL_N * OC + o) * OH * down + inside;
  for (var i = 0u; i < M; i++) { // unroll
    if (WHOLE) {
      var out: array<f32, Y_UNIT>;
      for (var t = 0u; t < TILES; t++) { // unroll
        let line = back(rows[t][i]);
        for (var j = 0u; j < M; j++) { out[(t * M + j) % Y_UNIT] = line[j] + added; } // unroll
      }
      if (has_residual()) {
        let other = residual[r0 + i * down];
        for (var j = 0u; j < Y_UNIT; j++) { out[j] += other[j]; } // unroll
      }
      y[y0 + i * down] = out;
    } else if (oy + i < OH) {
      let line = back(rows[0][i]);
      for (var j = 0u; j < M; j++) { // unroll
        if (ox + j < OW) {
          var value = line[j] + added;
          if (has_residual()) { value += residual[r0 + i * OW + j][0]; }
          y[y0 + i * OW + j][0] = value;
        }
      }
    }
  }
}
