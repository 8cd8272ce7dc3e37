// Direct convolution without subgroups: lib/conv says of what, lib/direct how.
// w: f32, or f16 pairs, [C1 + C2, KERNEL (dx), KERNEL (dy), OC rounded up to TILE_M]; TILE_M is even where weights are f16.
// Dispatch: a lane per task: x = ceil(columns * N * ceil(OC / TILE_M) / WG), folded into two dimensions.
// import direct
alias Words = u32;
const WG: u32 = 64u;

@compute @workgroup_size(WG)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let columns = ceil_div(OH, TILE_Y) * OW;                   // running on from band to band
  let tiles_m = ceil_div(OC, TILE_M);
  let task = flat(at) * WG + local;
  if (task >= columns * tiles_m * N) { return; }
  let m0 = task / columns % tiles_m * TILE_M;
  let n = task / (columns * tiles_m);
  let ox = task % columns % OW;
  let oy = task % columns / OW * TILE_Y;
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
