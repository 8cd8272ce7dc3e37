// x[z, :, i] = softmax(x[z, :, i] / sqrt(D)) in place, with the column's maximum subtracted.
// x: f32 [BATCHES, HEIGHT, WIDTH].   Dispatch: one lane per column, x = ceil(BATCHES * WIDTH / WG), folded into two dimensions.
override BATCHES: u32;
override HEIGHT: u32;
override WIDTH: u32;
override D: u32;
override WG: u32 = 16u;

@group(0) @binding(0) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * WG + local;
  if (id >= BATCHES * WIDTH) { return; }
  let start = id / WIDTH * HEIGHT * WIDTH + id % WIDTH;
  let scale = 1.0 / sqrt(f32(D));
  var peak = x[start];
  for (var i = 1u; i < HEIGHT; i++) { peak = max(peak, x[start + i * WIDTH]); }
  var total = 0.0;
  for (var i = 0u; i < HEIGHT; i++) {
    let e = exp((x[start + i * WIDTH] - peak) * scale);
    x[start + i * WIDTH] = e;
    total += e;
  }
  let share = 1.0 / total;
  for (var i = 0u; i < HEIGHT; i++) { x[start + i * WIDTH] *= share; }
}
