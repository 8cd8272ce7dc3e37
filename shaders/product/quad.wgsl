// C[z, m, n] = sum_k A[z, m, k] B[z, k, n]. lib/gemm describes the operands.
// K is a multiple of 4, N of TILE_N, M of 4 where A_COLUMNS.
//
// A quad computes TILE_M rows x 4 TILE_N columns: TILE_N columns side by side for each of its lanes. Each lane of a quad
// loads different rows of A, and quadSwap shares them: lane l holds the rows of lane l ^ s in component s of its sums.
// import gemm, quad
alias Left = array<f32, 4>;
alias Right = array<f32, TILE_N>;
const TILE_M: u32 = 32u;       // a multiple of 4, of 16 where A_COLUMNS
const TILE_N: u32 = 4u;        // 1, 2 or 4
const QUADS: u32 = TILE_M / 4u;

// Row of A that quad member `lane` loads as its i-th.
fn row(lane: u32, i: u32) -> u32 {
  if (A_COLUMNS) { return i / 4u * 16u + lane * 4u + i % 4u; }
  return i * 4u + lane;
}

fn tasks() -> u32 { return tiles(TILE_M, TILE_N * 4u); }

fn task(id: u32, lane: u32) {
  let at = tile_at(id, TILE_M, TILE_N * 4u);
  let m0 = at.x * TILE_M;
  let n = at.y * 4u + lane;                                  // in TILE_Ns
  let width = N / TILE_N;
  let a0 = a_start(at.z);
  var b_at = b_start(at.z) + min(n, width - 1u);

  var a_at: array<u32, QUADS>;
  for (var i = 0u; i < QUADS; i++) { // unroll
    if (A_COLUMNS) {
      a_at[i] = a0 + min(m0 / 4u + i / 4u * 4u + lane, M / 4u - 1u) + i % 4u * (M / 4u);
    } else {
      a_at[i] = a0 + min(m0 + i * 4u + lane, M - 1u) * (K / 4u);
    }
  }
  var a_offset = 0u;
  var sums: array<vec4f, QUADS * TILE_N>;
  for (var k = 0u; k < K; k += 4u) {
    var columns: array<array<f32, TILE_N>, 4>;
    for (var q = 0u; q < 4u; q++) { columns[q] = b[b_at + q * width]; } // unroll
    b_at += 4u * width;
    for (var g = 0u; g < (QUADS + 3u) / 4u; g++) { // unroll: four rows times four k
      var block: array<array<f32, 4>, 4>;
      for (var i = 4u * g; i < min(4u * g + 4u, QUADS); i++) { block[i % 4u] = a[a_at[i] + a_offset]; } // unroll
      for (var i = 4u * g; i < min(4u * g + 4u, QUADS); i++) { // unroll
        var rows: array<vec4f, 4>;
        for (var q = 0u; q < 4u; q++) { // unroll
          var v = 0.0;
          if (A_COLUMNS) { v = block[q][i % 4u]; } else { v = block[i % 4u][q]; }
          rows[q] = vec4f(v, quadSwapX(v), quadSwapY(v), quadSwapDiagonal(v));
        }
        for (var s = 0u; s < 4u; s++) { // unroll
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[i * TILE_N + j][s] += dot(
              vec4f(columns[0][j], columns[1][j], columns[2][j], columns[3][j]),
              vec4f(rows[0][s], rows[1][s], rows[2][s], rows[3][s]));
          }
        }
      }
    }
    if (A_COLUMNS) { a_offset += M; } else { a_offset++; }
  }

  for (var i = 0u; i < QUADS; i++) { // unroll
    for (var s = 0u; s < 4u; s++) { // unroll
      let m = m0 + row(lane ^ s, i);
      if (m < M && n < width) {
        var out: array<f32, TILE_N>;
        for (var j = 0u; j < TILE_N; j++) { out[j] = sums[i * TILE_N + j][s]; } // unroll
        c[(at.z * M + m) * width + n] = out;
      }
    }
  }
}
