// x[r, :] = softmax(x[r, :]) in place, with the row's maximum subtracted.
// x: f32 [ROWS, WIDTH].   Dispatch: one lane per row, x = ceil(ROWS / WG), folded into two dimensions.
override ROWS: u32;
override WIDTH: u32;
override WG: u32 = 16u;

@group(0) @binding(0) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (wg.y * grid.x + wg.x) * WG + local;
  if (row >= ROWS) { return; }
  let start = row * WIDTH;
  var peak = x[start];
  for (var i = 1u; i < WIDTH; i++) { peak = max(peak, x[start + i]); }
  var total = 0.0;
  for (var i = 0u; i < WIDTH; i++) {
    let e = exp(x[start + i] - peak);
    x[start + i] = e;
    total += e;
  }
  for (var i = 0u; i < WIDTH; i++) { x[start + i] /= total; }
}
