// y[p, i, j] = mean of x[p, 2i .. 2i + 1, 2j .. 2j + 1]; an odd last row or column of x is dropped.
// x: f32 [PLANES, H, W]; y: f32 [PLANES, H / 2, W / 2].
// import lanes
const WG: u32 = 256u;
override PLANES: u32;          // uniform: N * C
override H: u32;               // uniform
override W: u32;               // uniform

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn tasks() -> u32 { return PLANES * (H / 2u) * (W / 2u); }

fn task(id: u32) {
  let height = H / 2u;
  let width = W / 2u;
  let plane = id / (height * width);
  let i = id / width % height;
  let upper = (plane * H + 2u * i) * W + id % width * 2u;
  y[id] = ((x[upper] + x[upper + 1u]) + (x[upper + W] + x[upper + W + 1u])) * 0.25;
}
