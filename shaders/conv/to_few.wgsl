// 3x3 convolution to few channels, for software adapters: lib/conv says of what; STRIDE is 1. Most of the time goes into loading
// and activating the input, so a lane has all output channels of a tile of pixels, and the lanes of a quad share the values
// between their tiles.
// These lie two by two, and each lane sees the mirror image of its neighbours: rows and columns count from the outer edge, and
// the last is the neighbour's last but one. Taps are mirrored with them: of the four corners of a filter each lane loads the one
// that is its own first tap, quadSwap brings it the other three, and likewise at the edges.
// w: f32, or f16 pairs, [ceil(OC / TILE_M), C1 + C2, 4 (lane), WORDS words]: TILE_M corners, TILE_M edges, the centre of channel
// `lane`. Corners are those above on the left, above on the right, below on the left, below on the right; edges are those
// above, on the right, on the left, below.
// A task is TILE_M channels, at most 4, of four tiles.
// import conv, added, tile_window, store, quad
const BUILT_IN: bool = false;
const TILE_M: u32 = 3u;
const WORDS: u32 = (2u * TILE_M + PER_WORD) / PER_WORD;
alias Words = array<u32, WORDS>;

fn tiles_x() -> u32 { return ceil_div(OW, 2u * TILE_X); }
fn quads() -> u32 { return tiles_x() * ceil_div(OH, 2u * TILE_Y); }
fn tasks() -> u32 { return quads() * ceil_div(OC, TILE_M) * N; }

// Row c of norm, of which each lane loads one value.
fn shared_affine(c: u32, lane: u32, masks: vec4u) -> vec4f {
  if (!NORM) { return vec4f(); }
  let v = bitcast<u32>(norm[c][lane]);
  return bitcast<vec4f>(vec4u(shared_value(v & masks.x), shared_value(v & masks.y), shared_value(v & masks.z), 0u));
}

fn task(id: u32, lane: u32) {
  let tiles_m = ceil_div(OC, TILE_M);
  let tile_m = id / quads() % tiles_m;
  let n = id / (quads() * tiles_m);
  let right = lane % 2u == 1u;
  let below = lane / 2u == 1u;
  let step_x = select(1u, 0xffffffffu, right);               // -1
  let step_y = select(1u, 0xffffffffu, below);
  let ox = id % quads() % tiles_x() * 2u * TILE_X + select(0u, 2u * TILE_X - 1u, right);
  let oy = id % quads() / tiles_x() * 2u * TILE_Y + select(0u, 2u * TILE_Y - 1u, below);
  let at = window_at(oy + select(0u, 2u, below), step_y, ox + select(0u, 2u, right), step_x);
  let x0 = n * C1;
  let skip0 = skip_start(n);
  let norm0 = norm_start(n);
  let masks = lane_masks(lane);

  var sums: array<f32, TILE_M * TILE_Y * TILE_X>;
  for (var c = 0u; c < C1 + C2; c++) {
    let words = w[(tile_m * (C1 + C2) + c) * 4u + lane];
    let affine = shared_affine(norm0 + c, lane, masks);
    var values: array<array<f32, COLUMNS>, ROWS>;
    if (!JOINED || c < C1) {
      let plane = (x0 + c) * PLANE;
      for (var r = 0u; r < TILE_Y + 1u; r++) { // unroll
        for (var q = 0u; q < TILE_X + 1u; q++) { values[r][q] = x[plane + at.rows[r] + at.columns[q]]; } // unroll
      }
    } else {
      let plane = (skip0 + (c - C1)) * PLANE;
      for (var r = 0u; r < TILE_Y + 1u; r++) { // unroll
        for (var q = 0u; q < TILE_X + 1u; q++) { values[r][q] = skip[plane + at.rows[r] + at.columns[q]]; } // unroll
      }
    }
    for (var r = 0u; r < TILE_Y + 1u; r++) { // unroll
      for (var q = 0u; q < TILE_X + 1u; q++) { // unroll
        values[r][q] = masked(prepared(values[r][q], affine), at.rows_inside[r] & at.columns_inside[q]);
      }
      values[r][TILE_X + 1u] = quadSwapX(values[r][TILE_X]);
    }
    for (var q = 0u; q < COLUMNS; q++) { values[TILE_Y + 1u][q] = quadSwapY(values[TILE_Y][q]); } // unroll

    let centres = words[2u * TILE_M / PER_WORD];
    for (var o = 0u; o < TILE_M; o++) { // unroll
      let corner = unpacked(words[o / PER_WORD], o);
      let edge = unpacked(words[(TILE_M + o) / PER_WORD], TILE_M + o);
      let row_edge = select(edge, quadSwapX(edge), right != below);
      let column_edge = select(quadSwapY(edge), edge, right != below);
      let taps = array(
        corner, row_edge, quadSwapX(corner),
        column_edge, unpacked(shared_value(centres & masks[o]), 2u * TILE_M), quadSwapX(column_edge),
        quadSwapY(corner), quadSwapY(row_edge), quadSwapDiagonal(corner));
      for (var p = 0u; p < TILE_Y * TILE_X; p++) { // unroll
        var sum = sums[o * TILE_Y * TILE_X + p];
        for (var t = 0u; t < TAPS; t++) { sum += values[p / TILE_X + t / 3u][p % TILE_X + t % 3u] * taps[t]; } // unroll
        sums[o * TILE_Y * TILE_X + p] = sum;
      }
    }
  }

  for (var i = 0u; i < TILE_M; i++) { // unroll
    let o = tile_m * TILE_M + i;
    if (o < OC) {
      let added = base(n, o);
      for (var p = 0u; p < TILE_Y * TILE_X; p++) { // unroll
        let y_at = oy + p / TILE_X * step_y;
        let x_at = ox + p % TILE_X * step_x;
        if ((y_at < OH) & (x_at < OW)) { store(sums[i * TILE_Y * TILE_X + p] + added, n, o, y_at * OW + x_at, OH * OW); }
      }
    }
  }
}
