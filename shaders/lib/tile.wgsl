// Products of tiles in workgroup memory. A workgroup of LANES_M x LANES_N lanes, or SLICES groups of such lanes that share out
// the depth of every tile (sliced K), computes TILE_M x TILE_N sums; a lane keeps ROWS x COLUMNS blocks of 4 x 4. The next tiles
// are loaded while these are multiplied, DEPTH deep.
//
// The shader declares Source, where a lane's operands are; Next, what it loads of a step; load(next, source, step, local);
// keep(next, local), which writes that to memory; and memory: vec4<Element>, rows, [k][row], and from ROW_FOURS on columns,
// [k][column]. It imports tile_full or tile_half, which multiply.
// import workgroups
alias Element = f32;           // of memory
const LANES_M: u32 = 16u;
const LANES_N: u32 = 16u;
const ROWS: u32 = 1u;          // blocks that a lane keeps, down
const COLUMNS: u32 = 1u;       // and across
const SLICES: u32 = 1u;        // divides DEPTH
const DEPTH: u32 = 16u;
const TILE_M: u32 = 4u * LANES_M * ROWS;
const TILE_N: u32 = 4u * LANES_N * COLUMNS;
const LANES: u32 = LANES_M * LANES_N * SLICES;
const ROW_FOURS: u32 = DEPTH * TILE_M / 4u;
const COLUMN_FOURS: u32 = DEPTH * TILE_N / 4u;
alias Sums = array<array<vec4f, COLUMNS>, 4u * ROWS>;

// A lane's slice, and its place in it.
fn slice_of(local: u32) -> u32 { return select(0u, local / (LANES_M * LANES_N), SLICES > 1u); }
fn lane_m(local: u32) -> u32 { return local / LANES_N % LANES_M; }
fn lane_n(local: u32) -> u32 { return local % LANES_N; }

// Row and four columns of number i of the sums of a lane, row after row.
fn row_of(i: u32, local: u32) -> u32 { return (i / 4u * LANES_M + lane_m(local)) * 4u + i % 4u; }

// Adds the products of the steps from `first` to last - 1.
fn products(sums: ptr<function, Sums>, source: Source, first: u32, last: u32, local: u32) {
  let k0 = slice_of(local) * (DEPTH / SLICES);
  let row = k0 * (TILE_M / 4u) + lane_m(local);
  let column = ROW_FOURS + k0 * (TILE_N / 4u) + lane_n(local);
  var next: Next;
  for (var step = first; step <= last; step++) {             // the tiles of a step are multiplied in the round after it
    if (step > first) {
      workgroupBarrier();
      keep(&next, local);
      workgroupBarrier();
    }
    if (step < last) { load(&next, source, step, local); }
    if (step > first) { multiply(sums, row, column); }
  }
}
