// Products of lib/tile in Element, f16: as lib/tile_full, but the DEPTH / SLICES products of a step are summed in f16, and that sum
// is added in f32. A step is 16 deep at most: longer sums in f16 lose a bit for every fourfold of their length.
alias Part = array<array<vec4<Element>, COLUMNS>, 4u * ROWS>;

fn multiply(sums: ptr<function, Sums>, row_at: u32, column_at: u32) {
  var part: Part;
  for (var k = 0u; k < DEPTH / SLICES; k++) { multiply_one(&part, row_at + k * (TILE_M / 4u), column_at + k * (TILE_N / 4u)); }
  for (var i = 0u; i < 4u * ROWS; i++) { // unroll
    for (var j = 0u; j < COLUMNS; j++) { (*sums)[i][j] += vec4f(part[i][j]); } // unroll
  }
}

fn multiply_one(part: ptr<function, Part>, row_at: u32, column_at: u32) {
  var columns: array<vec4<Element>, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { columns[j] = memory[column_at + j * LANES_N]; } // unroll
  for (var i = 0u; i < ROWS; i++) { // unroll
    let rows = memory[row_at + i * LANES_M];
    for (var q = 0u; q < 4u; q++) { // unroll
      for (var j = 0u; j < COLUMNS; j++) { (*part)[4u * i + q][j] += rows[q] * columns[j]; } // unroll
    }
  }
}
