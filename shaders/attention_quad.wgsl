// C[z, m, n] = SCALE * sum_k A[z, m, k] * B[z, k, n]
// f32, any strides; batch z = (z / INNER, z % INNER) has an outer and an inner stride.
// Attention: z counts samples and heads.   scores = scale q^T k;  y = v softmax(scores)^T
//
// A subgroup computes TILE_M rows x TILE_N * 4 columns. Its lanes lie along n; along m each lane of a quad loads a
// different row of A, and quadSwap shares the four, so lane l holds rows 4i + (l ^ s) in component s of its sums.
// Dispatch: one subgroup of 4 lanes per tile: x = ceil(tiles / (WG / 4)), tiles = ceil(M / TILE_M) * ceil(N / (4 TILE_N)) * batches.
// Needs subgroups of at least 4 lanes, numbered in order along local_invocation_index.
// shape: constant (as variables, its strides make compilation take minutes on the software adapter)
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `tile` is the same in all lanes of a subgroup

override M: u32;
override N: u32;
override K: u32;
override BATCHES: u32;
override INNER: u32 = 1u;
override A_OUTER: u32 = 0u;   // strides, in floats
override A_INNER: u32 = 0u;
override A_M: u32;
override A_K: u32;
override B_OUTER: u32 = 0u;
override B_INNER: u32 = 0u;
override B_K: u32;
override B_N: u32;
override C_OUTER: u32 = 0u;
override C_INNER: u32 = 0u;
override C_M: u32;
override C_N: u32;
override A_START: u32 = 0u;
override B_START: u32 = 0u;
override SCALE: f32 = 1.0;
override WG: u32 = 64u;

const TILE_M: u32 = 32u;      // a multiple of 4
const TILE_N: u32 = 4u;
const TILE_K: u32 = 4u;
const QUADS: u32 = TILE_M / 4u;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles_n = (N + TILE_N * 4u - 1u) / (TILE_N * 4u);
  let tiles_m = (M + TILE_M - 1u) / TILE_M;
  let tile = (wg.y * grid.x + wg.x) * (WG / 4u) + local / 4u;
  if (tile >= tiles_n * tiles_m * BATCHES) { return; }
  let lane = local % 4u;
  let n0 = tile % tiles_n * (TILE_N * 4u) + lane;
  let m0 = tile / tiles_n % tiles_m * TILE_M + lane;
  let z = tile / (tiles_n * tiles_m);
  let a0 = A_START + z / INNER * A_OUTER + z % INNER * A_INNER;
  let b0 = B_START + z / INNER * B_OUTER + z % INNER * B_INNER;

  var sums: array<vec4f, QUADS * TILE_N>;
  var a_at: array<u32, QUADS>;
  var b_at: array<u32, TILE_N>;
  for (var i = 0u; i < QUADS; i++) { // unroll
    a_at[i] = a0 + min(m0 + i * 4u, M - 1u) * A_M;
  }
  for (var j = 0u; j < TILE_N; j++) { // unroll
    b_at[j] = b0 + min(n0 + j * 4u, N - 1u) * B_N;
  }
  for (var k = 0u; k < K; k += TILE_K) {
    var b_tile: array<f32, TILE_N * TILE_K>;
    for (var j = 0u; j < TILE_N; j++) { // unroll
      for (var q = 0u; q < TILE_K; q++) { // unroll
        let in_range = K % TILE_K == 0u || k + q < K;
        b_tile[j * TILE_K + q] = select(0.0, b[b_at[j] + (k + q) * B_K], in_range);
      }
    }
    for (var i = 0u; i < QUADS; i++) { // unroll
      var rows: array<vec4f, TILE_K>;
      for (var q = 0u; q < TILE_K; q++) { // unroll
        let in_range = K % TILE_K == 0u || k + q < K;
        let v = select(0.0, a[a_at[i] + (k + q) * A_K], in_range);
        rows[q] = vec4f(v, quadSwapX(v), quadSwapY(v), quadSwapDiagonal(v));
      }
      for (var s = 0u; s < 4u; s++) { // unroll
        for (var j = 0u; j < TILE_N; j++) { // unroll
          var sum = sums[i * TILE_N + j][s];
          for (var q = 0u; q < TILE_K; q++) { // unroll
            sum += rows[q][s] * b_tile[j * TILE_K + q];
          }
          sums[i * TILE_N + j][s] = sum;
        }
      }
    }
  }

  let c0 = z / INNER * C_OUTER + z % INNER * C_INNER;
  for (var i = 0u; i < QUADS; i++) { // unroll
    for (var s = 0u; s < 4u; s++) { // unroll
      let m = m0 - lane + i * 4u + (lane ^ s);
      for (var j = 0u; j < TILE_N; j++) { // unroll
        let n = n0 + j * 4u;
        if (m < M && n < N) { c[c0 + m * C_M + n * C_N] = sums[i * TILE_N + j][s] * SCALE; }
      }
    }
  }
}
