// Direct convolution with subgroups: lib/conv says of what, lib/direct how. Each lane of a quad loads a different channel's
// weights and quadSwap shares the four: lane l holds channels 4i + (l ^ s) in component s of its sums.
// w: f32, or f16 pairs, [ceil(OC / TILE_M), C1 + C2, 4 (lane), TILE_M / 4, KERNEL (dy), KERNEL (dx)], channel 4i + lane of its
// tile at i. TILE_M is a multiple of 4, of 8 where weights are f16.
// A quad does 4 columns x TILE_M channels.
// import direct, quad
const BUILT_IN: bool = false;
alias Words = array<u32, TAPS>;                              // the taps of PER_WORD channels
const QUADS: u32 = TILE_M / 4u;

fn groups() -> u32 { return ceil_div(columns(), 4u); }       // of 4 columns
fn tasks() -> u32 { return groups() * ceil_div(OC, TILE_M) * N; }

fn task(id: u32, lane: u32) {
  let tiles_m = ceil_div(OC, TILE_M);
  let column = id % groups() * 4u + lane;
  let m0 = id / groups() % tiles_m * TILE_M;
  let n = id / (groups() * tiles_m);
  let ox = column % OW;
  let oy = column / OW * TILE_Y;
  var window = window_of(n, oy, ox);
  var w_at = (m0 / TILE_M * (C1 + C2) * 4u + lane) * QUADS;

  var sums: array<vec4f, QUADS * TILE_Y>;
  for (var c = 0u; c < C1 + C2; c++) {
    var pixels: Pixels;
    gather(&window, &pixels, c);
    for (var i = 0u; i < QUADS; i++) { // unroll
      let words = w[(w_at + i) / PER_WORD];
      var own: array<f32, TAPS>;                             // unpacked once for the four swaps
      for (var t = 0u; t < TAPS; t++) { // unroll
        const at = i % PER_WORD * TAPS + t;
        own[t] = unpacked(words[at / PER_WORD], at);
      }
      for (var s = 0u; s < 4u; s++) { // unroll
        var taps: array<f32, TAPS>;
        for (var t = 0u; t < TAPS; t++) { // unroll
          let v = own[t];
          if (s == 0u) { taps[t] = v; } else if (s == 1u) { taps[t] = quadSwapX(v); } else if (s == 2u) { taps[t] = quadSwapY(v); } else { taps[t] = quadSwapDiagonal(v); }
        }
        for (var j = 0u; j < TILE_Y; j++) { // unroll
          var sum = sums[i * TILE_Y + j][s];
          for (var dy = 0u; dy < KERNEL; dy++) { // unroll
            let row = pixels[j * STRIDE + dy];
            if (KERNEL == 1u) {
              sum += row[0] * taps[0];
            } else {
              sum += dot(
                vec3f(row[0], row[1 % KERNEL], row[2 % KERNEL]),
                vec3f(taps[3u * dy], taps[(3u * dy + 1u) % TAPS], taps[(3u * dy + 2u) % TAPS]));
            }
          }
          sums[i * TILE_Y + j][s] = sum;
        }
      }
    }
    w_at += TILE_M;
  }

  for (var i = 0u; i < QUADS; i++) { // unroll
    for (var s = 0u; s < 4u; s++) { // unroll
      let o = m0 + i * 4u + (lane ^ s);
      if (o < OC && oy < OH) {
        let added = base(n, o);
        for (var j = 0u; j < TILE_Y; j++) { finish(sums[i * TILE_Y + j][s], added, n, o, oy + j, ox); } // unroll
      }
    }
  }
}
