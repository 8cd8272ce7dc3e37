// y[p, i, j] = mean of x[p, 2i .. 2i + 1, 2j .. 2j + 1]; an odd last row or column of x is dropped.
// x: f32 [PLANES, H, W]; y: f32 [PLANES, H / 2, W / 2].
// Dispatch: a lane per element of y, 256 a workgroup, folded into x and y.
// import grid
override PLANES: u32;          // uniform: N * C
override H: u32;               // uniform
override W: u32;               // uniform

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let id = flat(at) * 256u + local;
  let height = H / 2u;
  let width = W / 2u;
  if (id >= PLANES * height * width) { return; }
  let plane = id / (height * width);
  let i = id / width % height;
  let upper = (plane * H + 2u * i) * W + id % width * 2u;
  y[id] = ((x[upper] + x[upper + 1u]) + (x[upper + W] + x[upper + W + 1u])) * 0.25;
}
