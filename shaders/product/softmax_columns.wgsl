// x[z, :, i] = softmax(x[z, :, i] / sqrt(D)) in place, with the column's maximum subtracted.
// x: f32 [BATCHES, HEIGHT, WIDTH], HEIGHT a multiple of ROWS, WIDTH of COLUMNS.
// Dispatch: COLUMNS side by side for each lane, x = ceil(BATCHES * WIDTH / COLUMNS / WG), folded into two dimensions.
override BATCHES: u32;         // uniform
override HEIGHT: u32;          // uniform
override WIDTH: u32;           // uniform
override D: u32;               // uniform
override WG: u32 = 4u;

const ROWS: u32 = 1u;         // of one turn of a loop
const COLUMNS: u32 = 1u;

@group(0) @binding(0) var<storage, read_write> x: array<array<f32, COLUMNS>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * WG + local;
  let width = WIDTH / COLUMNS;
  if (id >= BATCHES * width) { return; }
  let start = id / width * HEIGHT * width + id % width;
  let end = start + HEIGHT * width;
  let scale = 1.0 / sqrt(f32(D));
  var peak = x[start];
  for (var i = start; i < end; i += ROWS * width) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      let values = x[i + r * width];
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        peak[j] = max(peak[j], values[j]);
      }
    }
  }
  var total: array<f32, COLUMNS>;
  for (var i = start; i < end; i += ROWS * width) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      var values = x[i + r * width];
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        values[j] = exp((values[j] - peak[j]) * scale);
        total[j] += values[j];
      }
      x[i + r * width] = values;
    }
  }
  var share: array<f32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { // unroll
    share[j] = 1.0 / total[j];
  }
  for (var i = start; i < end; i += ROWS * width) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      var values = x[i + r * width];
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        values[j] *= share[j];
      }
      x[i + r * width] = values;
    }
  }
}
