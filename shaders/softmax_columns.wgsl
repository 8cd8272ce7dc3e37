// x[z, :, i] = softmax(x[z, :, i] / sqrt(D)) in place, with the column's maximum subtracted.
// x: f32 [BATCHES, HEIGHT, WIDTH], HEIGHT a multiple of ROWS.
// Dispatch: one lane per column, x = ceil(BATCHES * WIDTH / WG), folded into two dimensions.
override BATCHES: u32;
override HEIGHT: u32;
override WIDTH: u32;
override D: u32;
override WG: u32 = 16u;

const ROWS: u32 = 1u;         // of one turn of a loop; 4 is faster where it divides HEIGHT

@group(0) @binding(0) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * WG + local;
  if (id >= BATCHES * WIDTH) { return; }
  let start = id / WIDTH * HEIGHT * WIDTH + id % WIDTH;
  let end = start + HEIGHT * WIDTH;
  let scale = 1.0 / sqrt(f32(D));
  var peak = x[start];
  for (var i = start; i < end; i += ROWS * WIDTH) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      peak = max(peak, x[i + r * WIDTH]);
    }
  }
  var total = 0.0;
  for (var i = start; i < end; i += ROWS * WIDTH) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      let e = exp((x[i + r * WIDTH] - peak) * scale);
      x[i + r * WIDTH] = e;
      total += e;
    }
  }
  let share = 1.0 / total;
  for (var i = start; i < end; i += ROWS * WIDTH) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      x[i + r * WIDTH] *= share;
    }
  }
}
