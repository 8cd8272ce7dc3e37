// Softmax of columns: lib/softmax says of what. H is a multiple of ROWS, W of COLUMNS.
// A task is COLUMNS side by side. `max` would ask for NaN, which takes a software adapter as long as a load.
// import softmax, exp, lanes
const WG: u32 = 4u;
const ROWS: u32 = 1u;          // of one turn of a loop
const COLUMNS: u32 = 1u;

@group(0) @binding(0) var<storage, read_write> x: array<array<f32, COLUMNS>>;

fn tasks() -> u32 { return BATCHES * (W / COLUMNS); }

fn task(id: u32) {
  let width = W / COLUMNS;
  let start = id / width * H * width + id % width;
  let end = start + H * width;
  let scale = 1.44269504 / sqrt(f32(D));                   // log2(e): for powers of 2
  var peak = x[start];
  for (var i = start; i < end; i += ROWS * width) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      let values = x[i + r * width];
      for (var j = 0u; j < COLUMNS; j++) { peak[j] = select(peak[j], values[j], values[j] > peak[j]); } // unroll
    }
  }
  var total: array<f32, COLUMNS>;
  for (var i = start; i < end; i += ROWS * width) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      var values = x[i + r * width];
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        values[j] = quick_exp2((values[j] - peak[j]) * scale);
        total[j] += values[j];
      }
      x[i + r * width] = values;
    }
  }
  var share: array<f32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { share[j] = 1.0 / total[j]; } // unroll
  for (var i = start; i < end; i += ROWS * width) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      var values = x[i + r * width];
      for (var j = 0u; j < COLUMNS; j++) { values[j] *= share[j]; } // unroll
      x[i + r * width] = values;
    }
  }
}
