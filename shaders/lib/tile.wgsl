// Tiles in workgroup memory, `memory` of vec4f, and the blocks of 4 x 4 sums that each of LANES_M x LANES_N lanes keeps.
const LANES_M: u32 = 16u;
const LANES_N: u32 = 16u;
const ROWS: u32 = 1u;          // blocks that a lane keeps, down
const COLUMNS: u32 = 1u;       // and across
const TILE_M: u32 = 4u * LANES_M * ROWS;
const TILE_N: u32 = 4u * LANES_N * COLUMNS;
alias Sums = array<array<vec4f, COLUMNS>, 4u * ROWS>;

// Adds the products of one k: of the rows from fours row_at on, LANES_M apart, and the columns from column_at on.
fn multiply(sums: ptr<function, Sums>, row_at: u32, column_at: u32) {
  var columns: array<vec4f, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { columns[j] = memory[column_at + j * LANES_N]; } // unroll
  for (var i = 0u; i < ROWS; i++) { // unroll
    let rows = memory[row_at + i * LANES_M];
    for (var q = 0u; q < 4u; q++) { // unroll
      for (var j = 0u; j < COLUMNS; j++) { (*sums)[4u * i + q][j] += rows[q] * columns[j]; } // unroll
    }
  }
}
