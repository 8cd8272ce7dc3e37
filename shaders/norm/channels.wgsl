// Normalisation over channels, for any adapter: lib/channel_norm says of what. A lane does WIDE pixels of one sample.
// Dispatch: a lane per block of WIDE pixels, 64 a workgroup, folded into x and y.
// import channel_norm, grid
const WIDE: u32 = 16u;         // 16, 4 or 1, dividing PLANE
alias Block = array<f32, WIDE>;

@compute @workgroup_size(64)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let id = flat(at) * 64u + local;
  let blocks = PLANE / WIDE;
  if (id >= N * blocks) { return; }
  let n = id / blocks;
  let start = n * C * blocks + id % blocks;
  var mean: Block;
  if (LAYER) {
    for (var c = 0u; c < C; c++) {
      let v = x[start + c * blocks];
      for (var k = 0u; k < WIDE; k++) { // unroll
        mean[k] += v[k];
      }
    }
    for (var k = 0u; k < WIDE; k++) { // unroll
      mean[k] /= f32(C);
    }
  }
  var factor: Block;
  for (var c = 0u; c < C; c++) {
    let v = x[start + c * blocks];
    for (var k = 0u; k < WIDE; k++) { // unroll
      let d = v[k] - mean[k];
      factor[k] += d * d;
    }
  }
  for (var k = 0u; k < WIDE; k++) { // unroll
    factor[k] = factor_of(factor[k]);
  }
  for (var c = 0u; c < C; c++) {
    let a = affine(n, c);
    var v = x[start + c * blocks];
    for (var k = 0u; k < WIDE; k++) { // unroll
      v[k] = acted((v[k] - mean[k]) * factor[k] * a.x + a.y);
    }
    if (RESIDUAL) {
      let r = residual[((n % RESIDUAL_N) * C + c) * blocks + id % blocks];
      for (var k = 0u; k < WIDE; k++) { // unroll
        v[k] += r[k];
      }
    }
    y[start + c * blocks] = v;
  }
}
