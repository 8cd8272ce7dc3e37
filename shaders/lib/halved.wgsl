// The frame of a kernel over blocks of 2 x 2 pixels: calls block(plane, pixel, upper), which the shader declares, for each pixel
// of the output's planes, f32 [PLANES, H / 2, W / 2]; `upper` is the first of the block's pixels in x: f32 [PLANES, H, W].
// import lanes
const WG: u32 = 256u;
override PLANES: u32;          // uniform: N * C
override H: u32;               // uniform
override W: u32;               // uniform

@group(0) @binding(1) var<storage, read_write> y: array<f32>;

// Pixels of a plane of the output.
fn size() -> u32 { return (H / 2u) * (W / 2u); }

fn tasks() -> u32 { return PLANES * size(); }

fn task(id: u32) {
  let plane = id / size();
  let pixel = id % size();
  block(plane, pixel, (plane * H + pixel / (W / 2u) * 2u) * W + pixel % (W / 2u) * 2u);
}
