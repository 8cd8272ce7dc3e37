// Products of GPUs that are too small to fill one. Waiting for memory is what takes time, so nothing waits for anything else:
// LANES_M x LANES_N lanes compute a tile of TILE_M x TILE_N sums straight from memory into registers, STEP deep at once, each
// COLUMNS blocks of 4 x 4. SLICES groups of such lanes share out the depth (sliced K). The first barrier is where their sums
// meet.
const LANES_M: u32 = 8u;
const LANES_N: u32 = 4u;
const COLUMNS: u32 = 2u;
const SLICES: u32 = 8u;        // a power of two
const STEP: u32 = 4u;          // 4, or 8 where the depth is a multiple of 8
const TILE_M: u32 = 4u * LANES_M;
const TILE_N: u32 = 4u * LANES_N * COLUMNS;
const GROUP: u32 = LANES_M * LANES_N;
const LANES: u32 = GROUP * SLICES;
const BLOCKS: u32 = 4u * COLUMNS;                            // fours that a lane sums
const KEPT: u32 = (SLICES + 1u) / 2u;                        // slices whose sums memory holds at once
alias Sums = array<array<vec4f, COLUMNS>, 4>;
alias Rows = array<vec4f, STEP>;                             // [depth]
alias Columns = array<array<vec4f, COLUMNS>, STEP>;

var<workgroup> memory: array<vec4f, KEPT * BLOCKS * GROUP>;  // [slice][four][lane]

// What a lane does: its slice, which takes the steps of the depth from `first` to `end`, its place in the slice, and its first
// row and column, in fours. tile: row and column, in tiles; local: index in the workgroup.
struct Share {
  slice: u32,
  lane: u32,
  first: u32,
  end: u32,
  m4: u32,
  n4: u32,
}

fn share_of(tile: vec2u, local: u32, depth: u32) -> Share {
  let slice = local / GROUP;
  let lane = local % GROUP;
  let length = (depth / STEP + SLICES - 1u) / SLICES * STEP;
  let first = min(slice * length, depth);
  let m4 = tile.x * LANES_M + lane / LANES_N;
  return Share(slice, lane, first, min(first + length, depth), m4, tile.y * (TILE_N / 4u) + lane % LANES_N);
}

// Computes a lane's share. The shader declares Source, where its operands are, and load(at, k, rows, columns), which reads those
// of the steps from k on and moves `at` past them.
fn multiply(share: Share, source: Source, batch: u32) {
  var at = source;
  var sums: Sums;
  for (var k = share.first; k < share.end; k += STEP) {
    var rows: Rows;
    var columns: Columns;
    load(&at, k, &rows, &columns);
    accumulate(&sums, rows, columns);
  }
  merge_slices(&sums, share, batch);
}

// Adds the outer product of STEP rows and columns to the sums.
fn accumulate(sums: ptr<function, Sums>, rows: Rows, columns: Columns) {
  for (var u = 0u; u < STEP; u++) { // unroll
    for (var q = 0u; q < 4u; q++) { // unroll
      for (var j = 0u; j < COLUMNS; j++) { (*sums)[q][j] += rows[u][q] * columns[u][j]; } // unroll
    }
  }
}

// Lets the sums of all slices meet: the upper half hands its own to the lower half, which adds them. Then calls
// finish(sum, row, column, batch), which the shader declares, for the blocks that fall to this slice. Columns count fours.
fn merge_slices(sums: ptr<function, Sums>, at: Share, batch: u32) {
  let slice = at.slice;
  let lane = at.lane;
  if (SLICES > 1u) {
    if (slice >= KEPT) {
      for (var e = 0u; e < BLOCKS; e++) { // unroll
        memory[((slice - KEPT) * BLOCKS + e) * GROUP + lane] = (*sums)[e / COLUMNS][e % COLUMNS];
      }
    }
    workgroupBarrier();
    if (slice < KEPT) {
      for (var e = 0u; e < BLOCKS; e++) { // unroll
        let i = (slice * BLOCKS + e) * GROUP + lane;
        memory[i] = (*sums)[e / COLUMNS][e % COLUMNS] + memory[i];
      }
    }
    workgroupBarrier();
  }
  for (var e = 0u; e < BLOCKS; e++) { // unroll
    if (e % SLICES == slice) {
      var v = (*sums)[e / COLUMNS][e % COLUMNS];
      if (SLICES > 1u) {
        v = memory[e * GROUP + lane];
        for (var s = 1u; s < KEPT; s++) { v += memory[(s * BLOCKS + e) * GROUP + lane]; } // unroll
      }
      finish(v, 4u * at.m4 + e / COLUMNS, at.n4 + e % COLUMNS * LANES_N, batch);
    }
  }
}
