// C[z, m, n] = sum_k A[z, m, k] * B[z, n, k]        both operands k-contiguous, K a multiple of TILE_K
// A: weights [BATCHES, M, K], f32 or f16 pairs; B: f32 [BATCHES, N, K]; C: f32 [BATCHES, M, N].
// The products of Winograd's transform domain: z is the position in the tile.
//
// A subgroup computes TILE_M rows x 4 TILE_N columns. Its lanes lie along n; along m each lane of a quad loads a different
// row of A, and quadSwap shares the four: lane l holds rows 4i + (l ^ s) in component s of its sums.
// Dispatch: 4 lanes per tile: x = ceil(tiles / (WG / 4)), tiles = ceil(M / TILE_M) * ceil(N / (4 TILE_N)) * BATCHES.
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `tile` is the same in all lanes of a quad

override M: u32;
override N: u32;
override K: u32;
override BATCHES: u32;
override WG: u32 = 16u;

const TILE_M: u32 = 32u;      // a multiple of 4
const TILE_N: u32 = 4u;
const TILE_K: u32 = 4u;
const PER_WORD: u32 = 1u;     // weights in a u32: 1 (f32) or 2 (f16)
const WORDS: u32 = TILE_K / PER_WORD;
const QUADS: u32 = TILE_M / 4u;

@group(0) @binding(0) var<storage, read> a: array<array<u32, WORDS>>;
@group(0) @binding(1) var<storage, read> b: array<array<f32, TILE_K>>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

fn weight(words: array<u32, WORDS>, q: u32) -> f32 {
  if (PER_WORD == 2u) { return unpack2x16float(words[q / PER_WORD])[q % 2u]; }
  return bitcast<f32>(words[q / PER_WORD]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles_n = (N + TILE_N * 4u - 1u) / (TILE_N * 4u);
  let tiles_m = (M + TILE_M - 1u) / TILE_M;
  let tile = (wg.y * grid.x + wg.x) * (WG / 4u) + local / 4u;
  if (tile >= tiles_n * tiles_m * BATCHES) { return; }
  let lane = local % 4u;
  let n0 = tile % tiles_n * (TILE_N * 4u) + lane;
  let m0 = tile / tiles_n % tiles_m * TILE_M;
  let z = tile / (tiles_n * tiles_m);

  var a_at: array<u32, QUADS>;
  var b_at: array<u32, TILE_N>;
  for (var i = 0u; i < QUADS; i++) { // unroll
    a_at[i] = (z * M + min(m0 + i * 4u + lane, M - 1u)) * (K / TILE_K);
  }
  for (var j = 0u; j < TILE_N; j++) { // unroll
    b_at[j] = (z * N + min(n0 + j * 4u, N - 1u)) * (K / TILE_K);
  }
  var sums: array<vec4f, QUADS * TILE_N>;
  for (var k = 0u; k < K / TILE_K; k++) {
    var columns: array<array<f32, TILE_K>, TILE_N>;
    for (var j = 0u; j < TILE_N; j++) { // unroll
      columns[j] = b[b_at[j] + k];
    }
    for (var i = 0u; i < QUADS; i++) { // unroll
      let words = a[a_at[i] + k];
      var rows: array<vec4f, TILE_K>;
      for (var q = 0u; q < TILE_K; q++) { // unroll
        let v = weight(words, q);
        rows[q] = vec4f(v, quadSwapX(v), quadSwapY(v), quadSwapDiagonal(v));
      }
      for (var s = 0u; s < 4u; s++) { // unroll
        for (var j = 0u; j < TILE_N; j++) { // unroll
          var sum = sums[i * TILE_N + j][s];
          for (var q = 0u; q < TILE_K; q++) { // unroll
            sum += rows[q][s] * columns[j][q];
          }
          sums[i * TILE_N + j][s] = sum;
        }
      }
    }
  }

  for (var i = 0u; i < QUADS; i++) { // unroll
    for (var s = 0u; s < 4u; s++) { // unroll
      let m = m0 + i * 4u + (lane ^ s);
      for (var j = 0u; j < TILE_N; j++) { // unroll
        let n = n0 + j * 4u;
        if (m < M && n < N) { c[(z * M + m) * N + n] = sums[i * TILE_N + j][s]; }
      }
    }
  }
}
