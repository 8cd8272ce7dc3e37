// C[z, m, n] = sum_k A[z, m, k] B[z, k, n], with a tile of B held in private memory while rows of A pass by. lib/gemm
// describes the operands.
// A: f32 [K / UNIT, M, UNIT] where A_STEP = 4 and A_BLOCK = 4 M, or [M, K] where A_STEP = 4 K / UNIT and A_BLOCK = 4; all that
// is A_ counts UNIT / 4. K is a multiple of DEPTH, N of 4 TILE_N.
//
// For software adapters, where private memory at constant addresses feeds arithmetic at no cost, and a load costs as much as
// ten multiply-adds. A subgroup holds DEPTH x TILE_N columns for each of its lanes. Of UNIT values of a row of A each lane of
// a quad loads its own quarter, and quadSwap shares the four: at [UNIT u + 4q + s] lane l holds k = UNIT u + UNIT / 4 (l ^ s) + q.
// Where K is more than DEPTH, sums wait in C for the next pass; what C holds before the first does not count.
// Dispatch: 4 lanes per task: x = ceil(tasks / (WG / 4)), tasks = ceil(M / ROWS) * N / (4 TILE_N) * BATCHES.
// import gemm, stationary, grid
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `task` is the same in all lanes of a quad
alias Left = array<f32, QUARTER>;
alias Right = array<f32, TILE_N>;
override A_STEP: u32;          // uniform: from row to row
override A_BLOCK: u32;         // uniform: from UNIT to UNIT of K

@compute @workgroup_size(WG)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let width = N / TILE_N;
  let tiles_n = width / 4u;
  let tiles_m = ceil_div(M, ROWS);
  let task = flat(at) * (WG / 4u) + local / 4u;
  if (task >= tiles_n * tiles_m * BATCHES) { return; }
  let lane = local % 4u;
  let n = task % tiles_n * 4u + lane;                        // in TILE_Ns
  let m0 = task / tiles_n % tiles_m * ROWS;
  let z = task / (tiles_n * tiles_m);
  let rows = min(ROWS, M - m0);
  let a0 = a_start(z) + m0 * A_STEP + lane;
  let b0 = b_start(z) + n;
  let c0 = (z * M + m0) * width + n;

  var tile: array<array<f32, TILE_N>, DEPTH>;
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var i = 0u; i < DEPTH; i++) {
      let k = held_at(k0, i, lane);
      tile[i] = b[b0 + k * width];
    }
    let held = tile;
    let a_k = a0 + k0 / UNIT * A_BLOCK;
    for (var m = 0u; m < rows; m++) {
      let a_at = a_k + m * A_STEP;
      let c_at = c0 + m * width;
      var sums: array<f32, TILE_N>;
      if (ONE_PASS) {
        let zero = f32(k0);                                  // not a constant, so that sums begin, in registers, before the loads
        for (var j = 0u; j < TILE_N; j++) { sums[j] = zero * f32(j + 1u); } // unroll
      } else {
        let before = c[c_at];
        for (var j = 0u; j < TILE_N; j++) { sums[j] = select(0.0, before[j], k0 > 0u); } // unroll
      }
      for (var u = 0u; u < UNITS; u++) { // unroll
        let row = a[a_at + u * A_BLOCK];
        for (var q = 0u; q < QUARTER; q++) { // unroll
          const i = UNIT * u + 4u * q;
          let v0 = row[q];
          let v1 = quadSwapX(v0);
          let v2 = quadSwapY(v0);
          let v3 = quadSwapDiagonal(v0);
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i][j] * v0; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 1u][j] * v1; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 2u][j] * v2; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 3u][j] * v3; } // unroll
        }
      }
      c[c_at] = sums;
    }
  }
}
