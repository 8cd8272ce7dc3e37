// C[z, m, n] = sum_k A[z, m, k] B[z, k, n] for GPUs that a product is too small to fill: of Winograd convolutions and of
// attention. lib/gemm describes the operands, lib/sliced how lanes share the work.
// N, K, and M where A_COLUMNS, are multiples of 4. C has M rows, of those of A up to a multiple of 4.
// Tasks: ceil(M / TILE_M) * ceil(N / TILE_N) * BATCHES.
// import gemm, sliced, workgroups
alias Left = vec4f;
alias Right = vec4f;

fn finish(v: vec4f, m: u32, n: u32, z: u32) {
  if (m < M && n < N / 4u) { c[(z * M + m) * (N / 4u) + n] = v; }
}

fn work(id: u32, local: u32) {
  let tiles_m = ceil_div(M, TILE_M);
  let tiles_n = ceil_div(N, TILE_N);
  if (id >= tiles_m * tiles_n * BATCHES) { return; }
  let z = id / (tiles_m * tiles_n);
  let width_m = ceil_div(M, 4u);
  let width_n = N / 4u;
  let share = share_of(id % (tiles_m * tiles_n), tiles_m, local, K);

  // Past the edges a lane reads what its neighbour does, and stores nothing.
  var a_at: array<u32, 4>;
  if (A_COLUMNS) {
    a_at[0] = a_start(z) + share.first * width_m + min(share.m4, width_m - 1u);
  } else {
    for (var q = 0u; q < 4u; q++) { // unroll
      a_at[q] = a_start(z) + min(4u * share.m4 + q, M - 1u) * (K / 4u) + share.first / 4u;
    }
  }
  var b_at: array<u32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    b_at[j] = b_start(z) + share.first * width_n + min(share.n4 + j * LANES_N, width_n - 1u);
  }

  var sums: Sums;
  for (var k = share.first; k < share.end; k += STEP) {
    var rows: array<vec4f, STEP>;
    var columns: array<array<vec4f, COLUMNS>, STEP>;
    if (A_COLUMNS) {
      for (var u = 0u; u < STEP; u++) { rows[u] = a[a_at[0] + u * width_m]; } // unroll
      a_at[0] += STEP * width_m;
    } else {
      for (var q = 0u; q < 4u; q++) { // unroll
        for (var f = 0u; f < STEP / 4u; f++) { // unroll
          let four = a[a_at[q] + f];
          for (var u = 0u; u < 4u; u++) { rows[4u * f + u][q] = four[u]; } // unroll
        }
        a_at[q] += STEP / 4u;
      }
    }
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      for (var u = 0u; u < STEP; u++) { columns[u][j] = b[b_at[j] + u * width_n]; } // unroll
      b_at[j] += STEP * width_n;
    }
    accumulate(&sums, rows, columns);
  }
  merge_slices(&sums, share, z);
}
