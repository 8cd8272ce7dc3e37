// y[p, 2i + a, 2j + b] = x[p, i, j], a and b in {0, 1}.   x: f32 [PLANES, HEIGHT, WIDTH]; y: f32 [PLANES, 2 HEIGHT, 2 WIDTH]
// Dispatch: one lane per element of x, 256 a workgroup, folded into x and y.
override PLANES: u32;          // N * C
override HEIGHT: u32;          // of x
override WIDTH: u32;           // of x
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = (wg.y * grid.x + wg.x) * 256u + lane;
  if (id >= PLANES * HEIGHT * WIDTH) { return; }
  let v = x[id];
  let upper = id / WIDTH * 4u * WIDTH + id % WIDTH * 2u;
  y[upper] = v;
  y[upper + 1u] = v;
  y[upper + 2u * WIDTH] = v;
  y[upper + 2u * WIDTH + 1u] = v;
}
