// Products of lib/tile in f32: adds those of a step, of a slice's rows from fours row_at on and its columns from column_at on.
fn multiply(sums: ptr<function, Sums>, row_at: u32, column_at: u32) {
  for (var k = 0u; k < DEPTH / SLICES; k++) { multiply_one(sums, row_at + k * (TILE_M / 4u), column_at + k * (TILE_N / 4u)); }
}

// Adds the products of one k: of rows LANES_M apart, and columns LANES_N apart.
fn multiply_one(sums: ptr<function, Sums>, row_at: u32, column_at: u32) {
  var columns: array<vec4f, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { columns[j] = vec4f(memory[column_at + j * LANES_N]); } // unroll
  for (var i = 0u; i < ROWS; i++) { // unroll
    let rows = vec4f(memory[row_at + i * LANES_M]);
    for (var q = 0u; q < 4u; q++) { // unroll
      for (var j = 0u; j < COLUMNS; j++) { (*sums)[4u * i + q][j] += rows[q] * columns[j]; } // unroll
    }
  }
}
