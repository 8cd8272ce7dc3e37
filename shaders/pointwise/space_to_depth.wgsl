// y[p, 2a + b, i, j] = x[p, 2i + a, 2j + b]: 2x2 blocks of pixels become four channels.
// x: f32 [PLANES, H, W], H and W even; y: f32 [PLANES, 4, H / 2, W / 2].
// import halved
@group(0) @binding(0) var<storage, read> x: array<vec2f>;

fn block(plane: u32, pixel: u32, upper: u32) {
  let above = x[upper / 2u];
  let below = x[(upper + W) / 2u];
  let out = plane * 4u * size() + pixel;
  y[out] = above.x;
  y[out + size()] = above.y;
  y[out + 2u * size()] = below.x;
  y[out + 3u * size()] = below.y;
}
