// C[z, m, n] = sum_k A[z, m, k] B[z, k, n] for GPUs that a product is too small to fill: of Winograd convolutions and of
// attention. lib/gemm describes the operands, lib/sliced how lanes share the work.
// N, K, and M where A_COLUMNS, are multiples of 4. C has M rows, of those of A up to a multiple of 4. A: f32, or f16 pairs where
// PER_WORD is 2 and Four vec2u.
// Tasks: ceil(M / TILE_M) * ceil(N / TILE_N) * BATCHES.
// import gemm, half, sliced, workgroups
alias Four = vec4f;            // of A
alias Left = Four;
alias Right = vec4f;

fn finish(v: vec4f, m: u32, n: u32, z: u32) {
  if (m < M && n < N / 4u) { c[(z * M + m) * (N / 4u) + n] = v; }
}

struct Source {
  a_at: array<u32, 4>,
  b_at: array<u32, COLUMNS>,
}

fn work(id: u32, local: u32) {
  if (id >= tiles(TILE_M, TILE_N)) { return; }
  let tile = tile_down(id, TILE_M, TILE_N);
  let share = share_of(tile.xy, local, K);

  // Past the edges a lane reads what its neighbour does, and stores nothing.
  var at: Source;
  if (A_COLUMNS) {
    let width = ceil_div(M, 4u);
    at.a_at[0] = a_start(tile.z) + share.first * width + min(share.m4, width - 1u);
  } else {
    for (var q = 0u; q < 4u; q++) { // unroll
      at.a_at[q] = a_start(tile.z) + min(4u * share.m4 + q, M - 1u) * (K / 4u) + share.first / 4u;
    }
  }
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    at.b_at[j] = b_start(tile.z) + share.first * (N / 4u) + min(share.n4 + j * LANES_N, N / 4u - 1u);
  }
  multiply(share, at, tile.z);
}

fn load(at: ptr<function, Source>, k: u32, rows: ptr<function, Rows>, columns: ptr<function, Columns>) {
  if (A_COLUMNS) {
    let width = ceil_div(M, 4u);
    for (var u = 0u; u < STEP; u++) { (*rows)[u] = unpacked4(a[(*at).a_at[0] + u * width]); } // unroll
    (*at).a_at[0] += STEP * width;
  } else {
    for (var q = 0u; q < 4u; q++) { // unroll
      for (var f = 0u; f < STEP / 4u; f++) { // unroll
        let four = unpacked4(a[(*at).a_at[q] + f]);
        for (var u = 0u; u < 4u; u++) { (*rows)[4u * f + u][q] = four[u]; } // unroll
      }
      (*at).a_at[q] += STEP / 4u;
    }
  }
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    for (var u = 0u; u < STEP; u++) { (*columns)[u][j] = b[(*at).b_at[j] + u * (N / 4u)]; } // unroll
    (*at).b_at[j] += STEP * (N / 4u);
  }
}
