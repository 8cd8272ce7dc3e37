// Winograd's input transform V = B^T d B of the TILES tiles side by side of a lane, of lib/winograd.
// The shader declares keep(position, at, values), which stores one position of the transform.
// import picture, winograd
const STEP: u32 = M * STRIDE;  // from tile to tile
const ROWS: u32 = (STEP + (3u - STRIDE) * UPSAMPLE) / UPSAMPLE;            // source rows of a tile
const COLUMNS: u32 = (STEP * TILES + (3u - STRIDE) * UPSAMPLE) / UPSAMPLE;
alias Pixels = array<array<f32, COLUMNS>, ROWS>;
alias Tiles = array<f32, TILES>;

// Source row or column of row or column i of the tiles.
fn source(i: u32) -> u32 { return (i + UPSAMPLE - 1u) / UPSAMPLE; }

// B^T d for one line of PIXELS; what is behind them does not count.
fn forth(d: array<f32, 6>) -> array<f32, 6> {
  if (STRIDE == 2u) { return array(d[0] - d[2], d[2], d[2] - d[4], d[1], d[3], 0.0); }
  if (M == 2u) { return array(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3], 0.0, 0.0); }
  if (NARROW) {                                              // at 2/3 and 3/2: lib/winograd_back says why
    let even = d[4] - 2.25 * d[2];
    let odd = 2.0 / 3.0 * d[3] - 1.5 * d[1];
    let even2 = d[4] - 4.0 / 9.0 * d[2];
    let odd2 = 1.5 * d[3] - 2.0 / 3.0 * d[1];
    return array(
      d[0] - 97.0 / 36.0 * d[2] + d[4], even + odd, even - odd, even2 + odd2, even2 - odd2, d[1] - 97.0 / 36.0 * d[3] + d[5]);
  }
  let even = d[4] - 4.0 * d[2];
  let odd = d[3] - 4.0 * d[1];
  let even2 = d[4] - d[2];
  let odd2 = 2.0 * (d[3] - d[1]);
  return array(4.0 * d[0] - 5.0 * d[2] + d[4], even + odd, even - odd, even2 + odd2, even2 - odd2, 4.0 * d[1] - 5.0 * d[3] + d[5]);
}

// Transforms the pixels d under the tiles.
fn forth_all(d: ptr<function, Pixels>, at: u32) {
  var lines: array<array<f32, COLUMNS>, SIDE>;
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    var line: array<f32, 6>;
    for (var i = 0u; i < PIXELS; i++) { line[i] = (*d)[source(i)][j]; } // unroll
    line = forth(line);
    for (var i = 0u; i < SIDE; i++) { lines[i][j] = line[POSITION[i]]; } // unroll
  }
  for (var i = 0u; i < SIDE; i++) { // unroll
    var out: array<Tiles, SIDE>;
    for (var t = 0u; t < TILES; t++) { // unroll
      var line: array<f32, 6>;
      for (var j = 0u; j < PIXELS; j++) { line[j] = lines[i][source(STEP * t + j)]; } // unroll
      line = forth(line);
      for (var j = 0u; j < SIDE; j++) { out[j][t] = line[POSITION[j]]; } // unroll
    }
    for (var j = 0u; j < SIDE; j++) { keep(i * SIDE + j, at, out[j]); } // unroll
  }
}
