// C[z, m, n] = sum_k A[z, k, m] * B[z, k, n] for GPUs that a product is too small to fill: of Winograd convolutions and of
// attention. Operands as in gemm_tile: A: f32 [K, M] at A_START + z / INNER * A_OUTER + z % INNER * A_INNER; stored [M, K]
// unless A_COLUMNS; B: f32 [K, N] likewise; C: f32 [BATCHES, M, N]. All are read four at a time: starts and strides count in
// fours, and N, K, and where A lies in columns M, are multiples of 4. C has rows M, of those of A up to a multiple of 4.
//
// What takes time here is waiting for memory, so nothing waits for anything else: LANES_M x LANES_N lanes compute a tile of
// TILE_M x TILE_N sums straight from memory into registers, STEP deep at once, a lane COLUMNS blocks of 4 x 4. SLICES
// groups of such lanes share out the depth (sliced K), and the first barrier is where their sums meet.
// Dispatch: x = ceil(M / TILE_M) * ceil(N / TILE_N) * BATCHES, folded into two dimensions.
override M: u32;               // uniform
override N: u32;               // uniform
override K: u32;               // uniform
override BATCHES: u32;         // uniform
override INNER: u32 = 1u;      // uniform
override A_START: u32 = 0u;    // uniform
override A_OUTER: u32 = 0u;    // uniform
override A_INNER: u32 = 0u;    // uniform
override B_START: u32 = 0u;    // uniform
override B_OUTER: u32 = 0u;    // uniform
override B_INNER: u32 = 0u;    // uniform

const A_COLUMNS: bool = true;
const LANES_M: u32 = 8u;
const LANES_N: u32 = 4u;
const COLUMNS: u32 = 2u;
const SLICES: u32 = 8u;       // a power of two
const STEP: u32 = 4u;         // 4, or 8 where K is a multiple of 8
const TILE_M: u32 = 4u * LANES_M;
const TILE_N: u32 = 4u * LANES_N * COLUMNS;
const GROUP: u32 = LANES_M * LANES_N;
const LANES: u32 = GROUP * SLICES;
const BLOCKS: u32 = 4u * COLUMNS;                            // fours that a lane sums
const KEPT: u32 = (SLICES + 1u) / 2u;                        // slices whose sums memory holds at once

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

var<workgroup> memory: array<vec4f, KEPT * BLOCKS * GROUP>;  // [slice][four][lane]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles_m = (M + TILE_M - 1u) / TILE_M;
  let tiles_n = (N + TILE_N - 1u) / TILE_N;
  let tile = wg.y * grid.x + wg.x;
  if (tile >= tiles_m * tiles_n * BATCHES) { return; }
  let z = tile / (tiles_m * tiles_n);
  let slice = local / GROUP;
  let lane = local % GROUP;
  let m4 = tile % tiles_m * LANES_M + lane / LANES_N;        // in fours
  let n4 = tile / tiles_m % tiles_n * (TILE_N / 4u) + lane % LANES_N;
  let width_m = (M + 3u) / 4u;
  let width_n = N / 4u;
  let a0 = A_START + z / INNER * A_OUTER + z % INNER * A_INNER;
  let b0 = B_START + z / INNER * B_OUTER + z % INNER * B_INNER;
  let share = (K / STEP + SLICES - 1u) / SLICES * STEP;
  let first = min(slice * share, K);
  let last = min(first + share, K);

  // Past the edges a lane reads what its neighbour does, and stores nothing.
  var a_at: array<u32, 4>;
  if (A_COLUMNS) {
    a_at[0] = a0 + first * width_m + min(m4, width_m - 1u);
  } else {
    for (var q = 0u; q < 4u; q++) { // unroll
      a_at[q] = a0 + min(4u * m4 + q, M - 1u) * (K / 4u) + first / 4u;
    }
  }
  var b_at: array<u32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    b_at[j] = b0 + first * width_n + min(n4 + j * LANES_N, width_n - 1u);
  }

  var sums: array<array<vec4f, COLUMNS>, 4>;
  for (var k = first; k < last; k += STEP) {
    var rows: array<vec4f, STEP>;
    var columns: array<array<vec4f, COLUMNS>, STEP>;
    if (A_COLUMNS) {
      for (var u = 0u; u < STEP; u++) { // unroll
        rows[u] = a[a_at[0] + u * width_m];
      }
      a_at[0] += STEP * width_m;
    } else {
      for (var q = 0u; q < 4u; q++) { // unroll
        for (var f = 0u; f < STEP / 4u; f++) { // unroll
          let four = a[a_at[q] + f];
          for (var u = 0u; u < 4u; u++) { // unroll
            rows[4u * f + u][q] = four[u];
          }
        }
        a_at[q] += STEP / 4u;
      }
    }
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      for (var u = 0u; u < STEP; u++) { // unroll
        columns[u][j] = b[b_at[j] + u * width_n];
      }
      b_at[j] += STEP * width_n;
    }
    for (var u = 0u; u < STEP; u++) { // unroll
      for (var q = 0u; q < 4u; q++) { // unroll
        for (var j = 0u; j < COLUMNS; j++) { // unroll
          sums[q][j] += rows[u][q] * columns[u][j];
        }
      }
    }
  }

  // The upper half of the slices hands its sums to the lower half, whose own then meet.
  if (SLICES > 1u) {
    if (slice >= KEPT) {
      for (var e = 0u; e < BLOCKS; e++) { // unroll
        memory[((slice - KEPT) * BLOCKS + e) * GROUP + lane] = sums[e / COLUMNS][e % COLUMNS];
      }
    }
    workgroupBarrier();
    if (slice < KEPT) {
      for (var e = 0u; e < BLOCKS; e++) { // unroll
        let at = (slice * BLOCKS + e) * GROUP + lane;
        memory[at] = sums[e / COLUMNS][e % COLUMNS] + memory[at];
      }
    }
    workgroupBarrier();
  }
  for (var e = 0u; e < BLOCKS; e++) { // unroll
    if (e % SLICES == slice) {
      var v = sums[e / COLUMNS][e % COLUMNS];
      if (SLICES > 1u) {
        v = memory[e * GROUP + lane];
        for (var s = 1u; s < KEPT; s++) { // unroll
          v += memory[(s * BLOCKS + e) * GROUP + lane];
        }
      }
      let m = 4u * m4 + e / COLUMNS;
      let n = n4 + e % COLUMNS * LANES_N;
      if (m < M && n < width_n) { c[(z * M + m) * width_n + n] = v; }
    }
  }
}
