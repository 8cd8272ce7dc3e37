// Normalisation over channels, for any adapter: lib/channel_norm says of what. A lane does WIDE pixels of one sample.
// A task is block of WIDE pixels.
// import channel_norm, lanes, blocks

fn tasks() -> u32 { return N * (PLANE / WIDE); }

fn task(id: u32) {
  let blocks = PLANE / WIDE;
  let n = id / blocks;
  let start = n * C * blocks + id % blocks;
  var mean: Block;
  if (LAYER) {
    for (var c = 0u; c < C; c++) {
      let v = x[start + c * blocks];
      for (var k = 0u; k < WIDE; k++) { mean[k] += v[k]; } // unroll
    }
    for (var k = 0u; k < WIDE; k++) { mean[k] /= f32(C); } // unroll
  }
  var factor: Block;
  for (var c = 0u; c < C; c++) {
    let v = x[start + c * blocks];
    for (var k = 0u; k < WIDE; k++) { // unroll
      let d = v[k] - mean[k];
      factor[k] += d * d;
    }
  }
  for (var k = 0u; k < WIDE; k++) { factor[k] = factor_of(factor[k]); } // unroll
  for (var c = 0u; c < C; c++) {
    let a = affine(n, c);
    var v = x[start + c * blocks];
    for (var k = 0u; k < WIDE; k++) { v[k] = acted((v[k] - mean[k]) * factor[k] * a.x + a.y); } // unroll
    if (RESIDUAL) {
      let r = residual[((n % RESIDUAL_N) * C + c) * blocks + id % blocks];
      for (var k = 0u; k < WIDE; k++) { v[k] += r[k]; } // unroll
    }
    y[start + c * blocks] = v;
  }
}
