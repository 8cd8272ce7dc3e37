// 1x1 convolution for software adapters: lib/conv says of what. A tile of the input is held in private memory while output
// channels pass by: see product/stationary, whose A is w and B is the input. So the input is normalised and activated once for
// ROWS output channels.
// w: f32, or f16 pairs, [K / UNIT, OC, UNIT], K >= C1 + C2 a multiple of DEPTH, padded with 0. PLANE is a multiple of 4 TILE_N.
// Dispatch: 4 lanes per task: x = ceil(tasks / (WG / 4)), tasks = ceil(OC / ROWS) * PLANE / (4 TILE_N) * N.
// import conv, added, stationary, grid
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `task` is the same in all lanes of a quad
alias In = array<f32, TILE_N>;
alias Out = array<f32, TILE_N>;
alias Value = f32;
alias Words = array<u32, WORDS>;
override PLANE: u32;           // uniform: pixels of a plane
override K: u32;               // uniform
const WORDS: u32 = QUARTER / PER_WORD;

@compute @workgroup_size(WG)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let width = PLANE / TILE_N;
  let tiles_p = width / 4u;
  let tiles_m = ceil_div(OC, ROWS);
  let task = flat(at) * (WG / 4u) + local / 4u;
  if (task >= tiles_p * tiles_m * N) { return; }
  let lane = local % 4u;
  let p = task % tiles_p * 4u + lane;                        // in TILE_Ns
  let m0 = task / tiles_p % tiles_m * ROWS;
  let n = task / (tiles_p * tiles_m);
  let rows = min(ROWS, OC - m0);
  let channels = C1 + C2;
  let x0 = n * C1 * width + p;
  let skip0 = skip_start(n) * width + p;
  let norm0 = norm_start(n);
  let residual0 = n % RESIDUAL_N * OC * width + p;
  let y0 = n * OC * width + p;

  var tile: array<array<f32, TILE_N>, DEPTH>;
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var i = 0u; i < DEPTH; i++) {
      let k = held_at(k0, i, lane);
      let c = min(k, channels - 1u);                         // past the last channel the weight is 0
      var values: array<f32, TILE_N>;
      if (JOINED) {
        if (c < C1) { values = x[x0 + c * width]; } else { values = skip[skip0 + (c - C1) * width]; }
      } else {
        values = x[x0 + c * width];
      }
      let affine = affine_at(norm0 + c);
      for (var j = 0u; j < TILE_N; j++) { values[j] = prepared(values[j], affine); } // unroll
      tile[i] = values;
    }
    let held = tile;
    let w0 = k0 / UNIT * OC * 4u + lane;
    for (var m = m0; m < m0 + rows; m++) {
      let added = base(n, m);
      let at = y0 + m * width;
      var sums: array<f32, TILE_N>;
      if (ONE_PASS) {
        let zero = f32(k0);                                  // not a constant, so that sums begin, in registers, before the loads
        for (var j = 0u; j < TILE_N; j++) { sums[j] = added + zero * f32(j + 1u); } // unroll
      } else {
        let before = y[at];                                  // of the pass before
        for (var j = 0u; j < TILE_N; j++) { sums[j] = select(added, before[j], k0 > 0u); } // unroll
      }
      if (has_residual()) {
        let other = residual[residual0 + m * width];
        for (var j = 0u; j < TILE_N; j++) { sums[j] += select(other[j], 0.0, k0 > 0u); } // unroll
      }
      for (var u = 0u; u < UNITS; u++) { // unroll
        let words = w[w0 + (u * OC + m) * 4u];
        for (var q = 0u; q < QUARTER; q++) { // unroll
          const i = UNIT * u + 4u * q;
          let word = words[q / PER_WORD];
          let v0 = unpacked(word, q);
          let v1 = quadSwapX(v0);
          let v2 = quadSwapY(v0);
          let v3 = quadSwapDiagonal(v0);
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i][j] * v0; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 1u][j] * v1; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 2u][j] * v2; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 3u][j] * v3; } // unroll
        }
      }
      y[at] = sums;
    }
  }
}
