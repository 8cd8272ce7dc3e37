// C[z, m, n] = sum_k A[z, m, k] B[z, k, n] for GPUs: large products of Winograd convolutions and of attention. lib/gemm
// describes the operands. N, and M or K, along which A lies, are multiples of 4. C has M rows, of those of A up to a multiple
// of 4.
//
// A workgroup of LANES_M x LANES_N lanes computes TILE_M x TILE_N sums from tiles in workgroup memory, DEPTH deep, and loads
// the next tiles while it multiplies; a lane keeps ROWS x COLUMNS blocks of 4 x 4. product/sliced is for smaller products.
// Tasks: ceil(M / TILE_M) * ceil(N / TILE_N) * BATCHES.
// import gemm, tile, workgroups
alias Left = vec4f;
alias Right = vec4f;
const DEPTH: u32 = 16u;
const LANES: u32 = LANES_M * LANES_N;
const A_LOADS: u32 = DEPTH * TILE_M / 4u / LANES;
const B_LOADS: u32 = DEPTH * TILE_N / 4u / LANES;
const B_TILE: u32 = DEPTH * TILE_M / 4u;

// Tiles of A, [k][row], and from B_TILE on of B, [k][column].
var<workgroup> memory: array<vec4f, B_TILE + DEPTH * TILE_N / 4u>;

fn work(id: u32, local: u32) {
  let tiles_m = ceil_div(M, TILE_M);
  let tiles_n = ceil_div(N, TILE_N);
  if (id >= tiles_m * tiles_n * BATCHES) { return; }
  let m0 = id % tiles_m * TILE_M;
  let n0 = id / tiles_m % tiles_n * TILE_N;
  let z = id / (tiles_m * tiles_n);
  let a0 = a_start(z);
  let b0 = b_start(z);
  let lane_m = local / LANES_N;
  let lane_n = local % LANES_N;
  let a_width = ceil_div(M, 4u);

  var a_next: array<vec4f, A_LOADS>;
  var b_next: array<vec4f, B_LOADS>;
  var sums: Sums;
  for (var k0 = 0u; k0 < K + DEPTH; k0 += DEPTH) {           // the tiles of k0 are multiplied in the round after they are loaded
    if (k0 > 0u) {
      workgroupBarrier();
      for (var i = 0u; i < A_LOADS; i++) { // unroll
        let e = local + i * LANES;
        if (A_COLUMNS) {
          memory[e] = a_next[i];
        } else {
          let row = e / (DEPTH / 4u);
          for (var q = 0u; q < 4u; q++) { // unroll
            memory[(e % (DEPTH / 4u) * 4u + q) * (TILE_M / 4u) + row / 4u][row % 4u] = a_next[i][q];
          }
        }
      }
      for (var i = 0u; i < B_LOADS; i++) { memory[B_TILE + local + i * LANES] = b_next[i]; } // unroll
      workgroupBarrier();
    }
    if (k0 < K) {
      for (var i = 0u; i < A_LOADS; i++) { // unroll
        let e = local + i * LANES;
        var v = vec4f();
        if (A_COLUMNS) {
          let k = k0 + e / (TILE_M / 4u);
          let m = m0 / 4u + e % (TILE_M / 4u);
          if (k < K && m < a_width) { v = a[a0 + k * a_width + m]; }
        } else {
          let k = k0 / 4u + e % (DEPTH / 4u);
          let m = m0 + e / (DEPTH / 4u);
          if (k < K / 4u && m < M) { v = a[a0 + m * (K / 4u) + k]; }
        }
        a_next[i] = v;
      }
      for (var i = 0u; i < B_LOADS; i++) { // unroll
        let e = local + i * LANES;
        let k = k0 + e / (TILE_N / 4u);
        let n = n0 / 4u + e % (TILE_N / 4u);
        var v = vec4f();
        if (k < K && n < N / 4u) { v = b[b0 + k * (N / 4u) + n]; }
        b_next[i] = v;
      }
    }
    if (k0 > 0u) {
      for (var k = 0u; k < DEPTH; k++) {
        multiply(&sums, k * (TILE_M / 4u) + lane_m, B_TILE + k * (TILE_N / 4u) + lane_n);
      }
    }
  }

  for (var i = 0u; i < 4u * ROWS; i++) { // unroll
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      let m = m0 + (i / 4u * LANES_M + lane_m) * 4u + i % 4u;
      let n = n0 / 4u + j * LANES_N + lane_n;
      if (m < M && n < N / 4u) { c[(z * M + m) * (N / 4u) + n] = sums[i][j]; }
    }
  }
}
