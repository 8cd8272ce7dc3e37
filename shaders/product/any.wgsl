// C[z, m, n] = sum_k A[z, m, k] * B[z, k, n]: what gemm_quad does, for any sizes and without subgroups.
// A: f32 [M, K] at A_START + z / INNER * A_OUTER + z % INNER * A_INNER; stored [K, M] where A_COLUMNS.
// B: f32 [K, N] at B_START + z / INNER * B_OUTER + z % INNER * B_INNER; C: f32 [BATCHES, M, N]. Starts, strides in elements.
// Dispatch: a lane per TILE_M rows x TILE_N columns: x = ceil(tiles / WG), folded into two dimensions.
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
override WG: u32 = 64u;

const TILE_M: u32 = 8u;
const TILE_N: u32 = 4u;
const A_COLUMNS: bool = false;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles_n = (N + TILE_N - 1u) / TILE_N;
  let tiles_m = (M + TILE_M - 1u) / TILE_M;
  let tile = (wg.y * grid.x + wg.x) * WG + local;
  if (tile >= tiles_n * tiles_m * BATCHES) { return; }
  let n0 = tile % tiles_n * TILE_N;
  let m0 = tile / tiles_n % tiles_m * TILE_M;
  let z = tile / (tiles_n * tiles_m);
  let a0 = A_START + z / INNER * A_OUTER + z % INNER * A_INNER;
  let b0 = B_START + z / INNER * B_OUTER + z % INNER * B_INNER;

  var a_at: array<u32, TILE_M>;
  for (var i = 0u; i < TILE_M; i++) { // unroll
    let m = min(m0 + i, M - 1u);
    a_at[i] = a0 + select(m * K, m, A_COLUMNS);
  }
  var sums: array<array<f32, TILE_N>, TILE_M>;
  for (var k = 0u; k < K; k++) {
    var columns: array<f32, TILE_N>;
    for (var j = 0u; j < TILE_N; j++) { // unroll
      columns[j] = b[b0 + k * N + min(n0 + j, N - 1u)];
    }
    let step = select(k, k * M, A_COLUMNS);
    for (var i = 0u; i < TILE_M; i++) { // unroll
      let v = a[a_at[i] + step];
      for (var j = 0u; j < TILE_N; j++) { // unroll
        sums[i][j] += v * columns[j];
      }
    }
  }

  for (var i = 0u; i < TILE_M; i++) { // unroll
    for (var j = 0u; j < TILE_N; j++) { // unroll
      if (m0 + i < M && n0 + j < N) { c[(z * M + m0 + i) * N + n0 + j] = sums[i][j]; }
    }
  }
}
