// y[p, i, j] = mean of x[p, 2i .. 2i + 1, 2j .. 2j + 1]; an odd last row or column of x is dropped.
// x: f32 [PLANES, H, W]; y: f32 [PLANES, H / 2, W / 2].
// import halved
@group(0) @binding(0) var<storage, read> x: array<f32>;

fn block(plane: u32, pixel: u32, upper: u32) {
  y[plane * size() + pixel] = ((x[upper] + x[upper + 1u]) + (x[upper + W] + x[upper + W + 1u])) * 0.25;
}
