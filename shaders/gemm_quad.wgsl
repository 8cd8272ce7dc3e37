// C[z, m, n] = sum_k A[z, m, k] * B[z, k, n]: the products of Winograd's transform domain, z the position in the tile.
// Both operands lie in memory as the tiles that a lane loads whole, K a multiple of 4, N of TILE_N:
// A: f32 [BATCHES, ceil(M / TILE_M), K / 4, 4 (lane), TILE_M / 4, 4 (k)], row 4i + lane of its tile at i;
// B: f32 [BATCHES, K / 4, N / TILE_N, 4 (k), TILE_N]; C: f32 [BATCHES, M rounded up to TILE_M, N].
//
// A subgroup computes TILE_M rows x 4 TILE_N columns: TILE_N columns side by side for each of its lanes. Each lane of a quad
// loads different rows of A, and quadSwap shares them: lane l holds rows 4i + (l ^ s) in component s of its sums.
// Dispatch: 4 lanes per tile: x = ceil(tiles / (WG / 4)), tiles = ceil(M / TILE_M) * ceil(N / (4 TILE_N)) * BATCHES.
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `tile` is the same in all lanes of a quad

override M: u32;
override N: u32;
override K: u32;
override BATCHES: u32;
override WG: u32 = 16u;

const TILE_M: u32 = 16u;      // a multiple of 4
const TILE_N: u32 = 4u;       // 1, 2 or 4
const QUADS: u32 = TILE_M / 4u;
const PIXELS: u32 = TILE_N * 4u;

@group(0) @binding(0) var<storage, read> a: array<array<f32, TILE_M>>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<array<f32, TILE_N>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let width = N / TILE_N;
  let tiles_n = (width + 3u) / 4u;
  let tiles_m = (M + TILE_M - 1u) / TILE_M;
  let tile = (wg.y * grid.x + wg.x) * (WG / 4u) + local / 4u;
  if (tile >= tiles_n * tiles_m * BATCHES) { return; }
  let lane = local % 4u;
  let n = tile % tiles_n * 4u + lane;                        // in TILE_Ns
  let zm = tile / tiles_n;                                   // position and tile of rows
  let z = zm / tiles_m;
  let a0 = zm * K + lane;
  let b0 = z * (K / 4u) * width + min(n, width - 1u);

  var sums: array<array<f32, PIXELS>, QUADS>;                // [rows][s, column]
  for (var k = 0u; k < K / 4u; k++) {
    let b_at = (b0 + k * width) * TILE_N;                     // four k of TILE_N columns lie together
    let b_0 = b[b_at];
    var b_1 = b_0;
    var b_2 = b_0;
    var b_3 = b_0;
    if (TILE_N > 1u) { b_1 = b[b_at + 1u]; }
    if (TILE_N > 2u) { b_2 = b[b_at + 2u]; b_3 = b[b_at + 3u]; }
    let columns = mat4x4f(b_0, b_1, b_2, b_3);
    let rows = a[a0 + k * 4u];
    for (var i = 0u; i < QUADS; i++) { // unroll
      for (var s = 0u; s < 4u; s++) { // unroll
        var row: array<f32, 4>;
        for (var q = 0u; q < 4u; q++) { // unroll
          let v = rows[i * 4u + q];
          if (s == 0u) { row[q] = v; } else if (s == 1u) { row[q] = quadSwapX(v); } else if (s == 2u) { row[q] = quadSwapY(v); } else { row[q] = quadSwapDiagonal(v); }
        }
        for (var j = 0u; j < TILE_N; j++) { // unroll
          var sum = sums[i][s * TILE_N + j];
          for (var q = 0u; q < 4u; q++) { // unroll
            sum += columns[(q * TILE_N + j) / 4u][(q * TILE_N + j) % 4u] * row[q];
          }
          sums[i][s * TILE_N + j] = sum;
        }
      }
    }
  }

  if (n >= width) { return; }
  let c0 = zm * TILE_M * width + n;
  for (var i = 0u; i < QUADS; i++) { // unroll
    for (var s = 0u; s < 4u; s++) { // unroll
      var out: array<f32, TILE_N>;
      for (var j = 0u; j < TILE_N; j++) { // unroll
        out[j] = sums[i][s * TILE_N + j];
      }
      c[c0 + (i * 4u + (lane ^ s)) * width] = out;
    }
  }
}
