// C[z, m, n] = sum_k A[z, m, k] * B[z, k, n], with a tile of B held in private memory while rows of A go by.
// A: f32 [K / UNIT, M, UNIT] where A_STEP = 4 and A_BLOCK = 4 M, or [M, K] where A_STEP = 4 K / UNIT and A_BLOCK = 4,
// at A_START + z / INNER * A_OUTER + z % INNER * A_INNER; all that is A_ counts UNIT / 4.
// B: f32 [K, N] at B_START + z / INNER * B_OUTER + z % INNER * B_INNER, which count TILE_N; C: f32 [BATCHES, M, N].
// K is a multiple of DEPTH, N of 4 TILE_N.
//
// For software adapters, where private memory at constant addresses feeds arithmetic at no cost, and a load costs as much as
// ten multiply-adds. A subgroup holds DEPTH x TILE_N columns for each of its lanes. Of UNIT values of a row of A each lane of
// a quad loads its own quarter, and quadSwap shares the four: at [UNIT u + 4q + s] lane l holds k = UNIT u + UNIT / 4 (l ^ s) + q.
// Where K is more than DEPTH, sums wait in C for the next pass; in the first, what lies there does not count.
// Dispatch: 4 lanes per task: x = ceil(tasks / (WG / 4)), tasks = ceil(M / ROWS) * N / (4 TILE_N) * BATCHES.
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `task` is the same in all lanes of a quad

override M: u32;               // uniform
override N: u32;               // uniform
override K: u32;               // uniform
override BATCHES: u32;         // uniform
override INNER: u32 = 1u;      // uniform
override A_START: u32 = 0u;    // uniform
override A_OUTER: u32 = 0u;    // uniform
override A_INNER: u32 = 0u;    // uniform
override A_STEP: u32;          // uniform: from row to row
override A_BLOCK: u32;         // uniform: from UNIT to UNIT of K
override B_START: u32 = 0u;    // uniform
override B_OUTER: u32 = 0u;    // uniform
override B_INNER: u32 = 0u;    // uniform
override ROWS: u32;            // uniform: of A that a task takes
override WG: u32 = 16u;

const UNIT: u32 = 64u;        // a multiple of 4
const UNITS: u32 = 1u;        // of a pass
const TILE_N: u32 = 8u;
const ONE_PASS: bool = false; // where K = DEPTH, may be true
const QUARTER: u32 = UNIT / 4u;
const DEPTH: u32 = UNIT * UNITS;

@group(0) @binding(0) var<storage, read> a: array<array<f32, QUARTER>>;
@group(0) @binding(1) var<storage, read> b: array<array<f32, TILE_N>>;
@group(0) @binding(2) var<storage, read_write> c: array<array<f32, TILE_N>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let width = N / TILE_N;
  let tiles_n = width / 4u;
  let tiles_m = (M + ROWS - 1u) / ROWS;
  let task = (wg.y * grid.x + wg.x) * (WG / 4u) + local / 4u;
  if (task >= tiles_n * tiles_m * BATCHES) { return; }
  let lane = local % 4u;
  let n = task % tiles_n * 4u + lane;                        // in TILE_Ns
  let m0 = task / tiles_n % tiles_m * ROWS;
  let z = task / (tiles_n * tiles_m);
  let rows = min(ROWS, M - m0);
  let a0 = A_START + z / INNER * A_OUTER + z % INNER * A_INNER + m0 * A_STEP + lane;
  let b0 = B_START + z / INNER * B_OUTER + z % INNER * B_INNER + n;
  let c0 = (z * M + m0) * width + n;

  var tile: array<array<f32, TILE_N>, DEPTH>;
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var i = 0u; i < DEPTH; i++) {
      let k = k0 + i / UNIT * UNIT + (lane ^ (i % 4u)) * QUARTER + i % UNIT / 4u;
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
        for (var j = 0u; j < TILE_N; j++) { // unroll
          sums[j] = zero * f32(j + 1u);
        }
      } else {
        let before = c[c_at];
        for (var j = 0u; j < TILE_N; j++) { // unroll
          sums[j] = select(0.0, before[j], k0 > 0u);
        }
      }
      for (var u = 0u; u < UNITS; u++) { // unroll
        let row = a[a_at + u * A_BLOCK];
        for (var q = 0u; q < QUARTER; q++) { // unroll
          const i = UNIT * u + 4u * q;
          let v0 = row[q];
          let v1 = quadSwapX(v0);
          let v2 = quadSwapY(v0);
          let v3 = quadSwapDiagonal(v0);
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[j] += held[i][j] * v0;
          }
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[j] += held[i + 1u][j] * v1;
          }
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[j] += held[i + 2u][j] * v2;
          }
          for (var j = 0u; j < TILE_N; j++) { // unroll
            sums[j] += held[i + 3u][j] * v3;
          }
        }
      }
      c[c_at] = sums;
    }
  }
}
