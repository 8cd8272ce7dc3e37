// 1x1 convolution for GPUs that it is too small to fill: lib/conv says of what, lib/sliced how lanes share the work.
// w: f32, or f16 pairs, [C1 + C2, OC rounded up to fours]. PLANE, C1 and C2 are multiples of 4, and C1 and C2 of STEP.
// Tasks: ceil(OC / TILE_M) * ceil(N PLANE / TILE_N).
// import conv, added_uniform, store, sliced, workgroups
alias In = vec4f;
alias Out = vec4f;
alias Value = vec4f;
alias ValueU = vec4u;
alias ValueI = vec4i;

fn finish(sum: vec4f, o: u32, p: u32, batch: u32) {
  let plane = PLANE / 4u;
  let n = p / plane;
  if (o < OC && n < N) { store(sum + base(n, o), n, o, p % plane, plane); }
}

struct Source {
  w_at: u32,
  x_at: array<u32, COLUMNS>,
  skip_at: array<u32, COLUMNS>,
  norm_at: array<u32, COLUMNS>,
}

fn work(id: u32, local: u32) {
  let tiles_m = ceil_div(OC, TILE_M);
  let plane = PLANE / 4u;
  if (id >= tiles_m * ceil_div(N * PLANE, TILE_N)) { return; }
  let width = ceil_div(OC, 4u);
  let share = share_of(vec2u(id % tiles_m, id / tiles_m), local, C1 + C2);

  // Past the edges a lane reads what its neighbour does, and stores nothing.
  var at: Source;
  at.w_at = share.first * width + min(share.m4, width - 1u);
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    let p = min(share.n4 + j * LANES_N, N * plane - 1u);
    let n = p / plane;
    at.x_at[j] = n * C1 * plane + p % plane;
    at.skip_at[j] = skip_start(n) * plane + p % plane;
    at.norm_at[j] = norm_start(n);
  }
  multiply(share, at, 0u);
}

fn load(at: ptr<function, Source>, k: u32, rows: ptr<function, Rows>, columns: ptr<function, Columns>) {
  let plane = PLANE / 4u;
  let width = ceil_div(OC, 4u);
  for (var u = 0u; u < STEP; u++) { (*rows)[u] = unpacked4(w[(*at).w_at + u * width]); } // unroll
  (*at).w_at += STEP * width;
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    if (k < C1) {
      for (var u = 0u; u < STEP; u++) { (*columns)[u][j] = x[(*at).x_at[j] + (k + u) * plane]; } // unroll
    } else {
      for (var u = 0u; u < STEP; u++) { (*columns)[u][j] = skip[(*at).skip_at[j] + (k - C1 + u) * plane]; } // unroll
    }
  }
  for (var u = 0u; u < STEP; u++) { // unroll
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      (*columns)[u][j] = prepared((*columns)[u][j], affine_at((*at).norm_at[j] + k + u));
    }
  }
}
