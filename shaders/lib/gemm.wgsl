// Products C[z, m, n] = sum_k A[z, m, k] B[z, k, n]: their sizes and operands. C: f32 [BATCHES, M, N].
// A: f32 [M, K] at A_START + z / INNER * A_OUTER + z % INNER * A_INNER; stored [K, M] where A_COLUMNS; B: f32 [K, N] likewise.
// The shader sets Left, the element of A, and Right, that of B and C. Starts and strides count them, where A is f32.
// import grid
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
const A_COLUMNS: bool = false;

@group(0) @binding(0) var<storage, read> a: array<Left>;
@group(0) @binding(1) var<storage, read> b: array<Right>;
@group(0) @binding(2) var<storage, read_write> c: array<Right>;

// Where the operands of batch z start.
fn a_start(z: u32) -> u32 { return A_START + z / INNER * A_OUTER + z % INNER * A_INNER; }
fn b_start(z: u32) -> u32 { return B_START + z / INNER * B_OUTER + z % INNER * B_INNER; }

// Tiles of tile_m rows x tile_n columns; and the row and column of one, in tiles, and its batch, counted along rows, and down
// columns.
fn tiles(tile_m: u32, tile_n: u32) -> u32 { return ceil_div(M, tile_m) * ceil_div(N, tile_n) * BATCHES; }
fn tile_at(i: u32, tile_m: u32, tile_n: u32) -> vec3u {
  let across = ceil_div(N, tile_n);
  let down = ceil_div(M, tile_m);
  return vec3u(i / across % down, i % across, i / (across * down));
}
fn tile_down(i: u32, tile_m: u32, tile_n: u32) -> vec3u {
  let across = ceil_div(N, tile_n);
  let down = ceil_div(M, tile_m);
  return vec3u(i % down, i / down % across, i / (across * down));
}
