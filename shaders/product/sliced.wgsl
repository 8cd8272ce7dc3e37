// C[z, m, n] = sum_k A[z, m, k] B[z, k, n] for GPUs that a product is too small to fill: of Winograd convolutions and of
// attention. lib/gemm describes the operands, lib/sliced how lanes share the work.
// N, K, and M where A_COLUMNS, are multiples of 4. C has M rows, of those of A up to a multiple of 4.
// Dispatch: x = ceil(M / TILE_M) * ceil(N / TILE_N) * BATCHES, folded into two dimensions.
// import gemm, sliced, grid
alias Left = vec4f;
alias Right = vec4f;

fn finish(v: vec4f, m: u32, n: u32, z: u32) {
  if (m < M && n < N / 4u) { c[(z * M + m) * (N / 4u) + n] = v; }
}

@compute @workgroup_size(LANES)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let tiles_m = ceil_div(M, TILE_M);
  let tiles_n = ceil_div(N, TILE_N);
  let tile = flat(at);
  if (tile >= tiles_m * tiles_n * BATCHES) { return; }
  let z = tile / (tiles_m * tiles_n);
  let slice = local / GROUP;
  let lane = local % GROUP;
  let m4 = tile % tiles_m * LANES_M + lane / LANES_N;        // in fours
  let n4 = tile / tiles_m % tiles_n * (TILE_N / 4u) + lane % LANES_N;
  let width_m = ceil_div(M, 4u);
  let width_n = N / 4u;
  let share = share_of(slice, K);

  // Past the edges a lane reads what its neighbour does, and stores nothing.
  var a_at: array<u32, 4>;
  if (A_COLUMNS) {
    a_at[0] = a_start(z) + share.x * width_m + min(m4, width_m - 1u);
  } else {
    for (var q = 0u; q < 4u; q++) { // unroll
      a_at[q] = a_start(z) + min(4u * m4 + q, M - 1u) * (K / 4u) + share.x / 4u;
    }
  }
  var b_at: array<u32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    b_at[j] = b_start(z) + share.x * width_n + min(n4 + j * LANES_N, width_n - 1u);
  }

  var sums: Sums;
  for (var k = share.x; k < share.y; k += STEP) {
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
  merge_slices(&sums, slice, lane, vec3u(m4, n4, z));
}
