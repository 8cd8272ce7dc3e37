// C[z, m, n] = sum_k A[z, m, k] B[z, k, n] for GPUs: large products of Winograd convolutions and of attention. lib/gemm
// describes the operands. N, and M or K, along which A lies, are multiples of 4. C has M rows, of those of A up to a multiple
// of 4. A: f32, or f16 pairs where PER_WORD is 2 and Four vec2u.
// lib/tile says how; product/sliced is for smaller products.
// Tasks: ceil(M / TILE_M) * ceil(N / TILE_N) * BATCHES.
// import gemm, half, tile, tile_full
alias Four = vec4f;            // of A
alias Left = Four;
alias Right = vec4f;
const A_LOADS: u32 = ROW_FOURS / LANES;
const B_LOADS: u32 = COLUMN_FOURS / LANES;

struct Source {
  m0: u32,
  n0: u32,
  a0: u32,
  b0: u32,
}

struct Next {
  a: array<vec4f, A_LOADS>,
  b: array<vec4f, B_LOADS>,
}

var<workgroup> memory: array<vec4<Element>, ROW_FOURS + COLUMN_FOURS>;

fn work(id: u32, local: u32) {
  if (id >= tiles(TILE_M, TILE_N)) { return; }
  let tile = tile_down(id, TILE_M, TILE_N);
  let at = Source(tile.x * TILE_M, tile.y * TILE_N, a_start(tile.z), b_start(tile.z));
  var sums: Sums;
  products(&sums, at, 0u, ceil_div(K, DEPTH), local);
  for (var i = 0u; i < 4u * ROWS; i++) { // unroll
    let m = at.m0 + row_of(i, local);
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      let n = at.n0 / 4u + j * LANES_N + lane_n(local);
      if (m < M && n < N / 4u) { c[(tile.z * M + m) * (N / 4u) + n] = sums[i][j]; }
    }
  }
}

fn load(next: ptr<function, Next>, at: Source, step: u32, local: u32) {
  let a_width = ceil_div(M, 4u);
  for (var i = 0u; i < A_LOADS; i++) { // unroll
    let e = local + i * LANES;
    var v = vec4f();
    if (A_COLUMNS) {
      let k = step * DEPTH + e / (TILE_M / 4u);
      let m = at.m0 / 4u + e % (TILE_M / 4u);
      if (k < K && m < a_width) { v = unpacked4(a[at.a0 + k * a_width + m]); }
    } else {
      let k = step * (DEPTH / 4u) + e % (DEPTH / 4u);
      let m = at.m0 + e / (DEPTH / 4u);
      if (k < K / 4u && m < M) { v = unpacked4(a[at.a0 + m * (K / 4u) + k]); }
    }
    (*next).a[i] = v;
  }
  for (var i = 0u; i < B_LOADS; i++) { // unroll
    let e = local + i * LANES;
    let k = step * DEPTH + e / (TILE_N / 4u);
    let n = at.n0 / 4u + e % (TILE_N / 4u);
    var v = vec4f();
    if (k < K && n < N / 4u) { v = b[at.b0 + k * (N / 4u) + n]; }
    (*next).b[i] = v;
  }
}

fn keep(next: ptr<function, Next>, local: u32) {
  for (var i = 0u; i < A_LOADS; i++) { // unroll
    let e = local + i * LANES;
    if (A_COLUMNS) {
      memory[e] = vec4<Element>((*next).a[i]);
    } else {
      let row = e / (DEPTH / 4u);
      for (var q = 0u; q < 4u; q++) { // unroll
        memory[(e % (DEPTH / 4u) * 4u + q) * (TILE_M / 4u) + row / 4u][row % 4u] = Element((*next).a[i][q]);
      }
    }
  }
  for (var i = 0u; i < B_LOADS; i++) { memory[ROW_FOURS + local + i * LANES] = vec4<Element>((*next).b[i]); } // unroll
}
