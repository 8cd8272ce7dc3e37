// y[p, 2a + b, i, j] = x[p, 2i + a, 2j + b]: 2x2 blocks of pixels become four channels.
// x: f32 [PLANES, 2 HEIGHT, 2 WIDTH]; y: f32 [PLANES, 4, HEIGHT, WIDTH].
// A task is pixel of an output plane.
// import lanes
const WG: u32 = 256u;
override PLANES: u32;          // uniform: N * C
override HEIGHT: u32;          // uniform
override WIDTH: u32;           // uniform

@group(0) @binding(0) var<storage, read> x: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn tasks() -> u32 { return PLANES * (HEIGHT * WIDTH); }

fn task(id: u32) {
  let plane = HEIGHT * WIDTH;
  let pixel = id % plane;
  let upper = (id / plane * HEIGHT + pixel / WIDTH) * 2u * WIDTH + pixel % WIDTH;
  let out = id / plane * 4u * plane + pixel;
  let above = x[upper];
  let below = x[upper + WIDTH];
  y[out] = above.x;
  y[out + plane] = above.y;
  y[out + 2u * plane] = below.x;
  y[out + 3u * plane] = below.y;
}
