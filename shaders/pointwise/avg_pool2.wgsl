// y[p, i, j] = mean of x[p, 2i .. 2i + 1, 2j .. 2j + 1]; an odd last row or column of x is dropped.
// x: f32 [PLANES, X_HEIGHT, X_WIDTH]; y: f32 [PLANES, X_HEIGHT / 2, X_WIDTH / 2].
// Dispatch: one lane per element of y, 256 a workgroup, folded into x and y.
override PLANES: u32;          // uniform: N * C
override X_HEIGHT: u32;        // uniform
override X_WIDTH: u32;         // uniform
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = (wg.y * grid.x + wg.x) * 256u + lane;
  let height = X_HEIGHT / 2u;
  let width = X_WIDTH / 2u;
  if (id >= PLANES * height * width) { return; }
  let plane = id / (height * width);
  let i = id / width % height;
  let upper = (plane * X_HEIGHT + 2u * i) * X_WIDTH + id % width * 2u;
  y[id] = ((x[upper] + x[upper + 1u]) + (x[upper + X_WIDTH] + x[upper + X_WIDTH + 1u])) * 0.25;
}
