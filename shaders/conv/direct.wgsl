// Direct convolution without subgroups: lib/conv says of what, lib/direct how.
// w: f32, or f16 pairs, [C1 + C2, KERNEL (dx), KERNEL (dy), OC rounded up to TILE_M]; TILE_M is even where weights are f16.
// A task is a column of TILE_Y pixels of TILE_M channels.
// import direct, lanes
alias Words = u32;

fn tasks() -> u32 { return columns() * ceil_div(OC, TILE_M) * N; }

fn task(id: u32) {
  let tiles_m = ceil_div(OC, TILE_M);
  let m0 = id / columns() % tiles_m * TILE_M;
  let n = id / (columns() * tiles_m);
  let ox = id % columns() % OW;
  let oy = id % columns() / OW * TILE_Y;
  let padded_oc = tiles_m * TILE_M;
  var window = window_of(n, oy, ox);

  var sums: array<array<f32, TILE_Y>, TILE_M>;
  for (var c = 0u; c < C1 + C2; c++) {
    var pixels: Pixels;
    gather(&window, &pixels, c);
    for (var dx = 0u; dx < KERNEL; dx++) { // unroll
      for (var i = 0u; i < TILE_M; i++) { // unroll
        for (var dy = 0u; dy < KERNEL; dy++) { // unroll
          let at = (c * TAPS + dx * KERNEL + dy) * padded_oc + m0 + i;
          let tap = unpacked(w[at / PER_WORD], at);
          for (var j = 0u; j < TILE_Y; j++) { sums[i][j] += tap * pixels[j * STRIDE + dy][dx]; } // unroll
        }
      }
    }
  }

  for (var i = 0u; i < TILE_M; i++) { // unroll
    if (m0 + i < OC) {
      let added = base(n, m0 + i);
      for (var j = 0u; j < TILE_Y; j++) { finish(sums[i][j], added, n, m0 + i, oy + j, ox); } // unroll
    }
  }
}
