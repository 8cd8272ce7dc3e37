// C[z, m, n] = sum_k A[z, m, k] B[z, k, n] of any sizes, without subgroups. lib/gemm describes the operands.
// A: f32, or f16 pairs. A task is TILE_M rows x TILE_N columns.
// import gemm, half, lanes
alias Left = f32;              // a word of A: u32 where PER_WORD is 2
alias Right = f32;
const TILE_M: u32 = 8u;
const TILE_N: u32 = 4u;

fn tasks() -> u32 { return tiles(TILE_M, TILE_N); }

fn task(id: u32) {
  let at = tile_at(id, TILE_M, TILE_N);
  let m0 = at.x * TILE_M;
  let n0 = at.y * TILE_N;
  let b0 = b_start(at.z);

  var a_at: array<u32, TILE_M>;
  for (var i = 0u; i < TILE_M; i++) { // unroll
    let m = min(m0 + i, M - 1u);
    a_at[i] = a_start(at.z) + select(m * K, m, A_COLUMNS);
  }
  var sums: array<array<f32, TILE_N>, TILE_M>;
  for (var k = 0u; k < K; k++) {
    var columns: array<f32, TILE_N>;
    for (var j = 0u; j < TILE_N; j++) { columns[j] = b[b0 + k * N + min(n0 + j, N - 1u)]; } // unroll
    let step = select(k, k * M, A_COLUMNS);
    for (var i = 0u; i < TILE_M; i++) { // unroll
      let at = a_at[i] + step;
      let v = unpacked(bitcast<u32>(a[at / PER_WORD]), at);
      for (var j = 0u; j < TILE_N; j++) { sums[i][j] += v * columns[j]; } // unroll
    }
  }

  for (var i = 0u; i < TILE_M; i++) { // unroll
    for (var j = 0u; j < TILE_N; j++) { // unroll
      if (m0 + i < M && n0 + j < N) { c[(at.z * M + m0 + i) * N + n0 + j] = sums[i][j]; }
    }
  }
}
