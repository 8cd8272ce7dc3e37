// C[z, m, n] = sum_k A[z, m, k] B[z, k, n], with a tile of B held while rows of A pass by: lib/gemm describes the operands,
// lib/stationary how. With BEGUN, the product is added to what C holds.
// A: f32 [K / UNIT, M, UNIT] where A_STEP = 4 and A_BLOCK = 4 M, or [M, K] where A_STEP = 4 K / UNIT and A_BLOCK = 4; all that
// is A_ counts UNIT / 4. K is a multiple of DEPTH, N of 4 TILE_N.
// Tasks: ROWS rows x 4 TILE_N columns.
// import gemm, stationary
alias Left = array<f32, QUARTER>;
alias Right = array<f32, TILE_N>;
override A_STEP: u32;          // uniform: from row to row
override A_BLOCK: u32;         // uniform: from UNIT to UNIT of K
alias Own = u32;               // nothing

fn tasks() -> u32 { return tiles(ROWS, 4u * TILE_N); }

fn place_of(id: u32, lane: u32) -> Place {
  let at = tile_at(id, ROWS, 4u * TILE_N);
  let m0 = at.x * ROWS;
  let n = at.y * 4u + lane;                                  // in TILE_Ns
  return Place(m0, min(m0 + ROWS, M), a_start(at.z) + lane, at.z * M * (N / TILE_N) + n, b_start(at.z) + n, 0u);
}

fn unit_step() -> u32 { return A_BLOCK; }
fn row_step() -> u32 { return A_STEP; }
fn result_step() -> u32 { return N / TILE_N; }

fn column(at: Place, k: u32) -> Right { return b[at.held0 + k * (N / TILE_N)]; }

fn has_skip() -> bool { return false; }
fn skip_from() -> u32 { return K; }
fn skip_column(at: Place, k: u32) -> Right { return Right(); }

fn quarter(i: u32) -> Left { return a[i]; }

fn value(row: Left, q: u32) -> f32 { return row[q]; }

fn first(at: Place, m: u32) -> f32 { return 0.0; }

fn has_residual() -> bool { return false; }
fn residual_at(at: Place, m: u32) -> Right { return Right(); }

fn earlier(i: u32) -> Right { return c[i]; }

fn keep(i: u32, sums: Right) { c[i] = sums; }
