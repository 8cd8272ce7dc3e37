// y = (1 - m) h + m (a h + b h_c), (a, b) = weights[n]; h itself, to the bit, where that is a = 1, b = 0 or m = 0.
// h, y: f32 [N, COUNT]; content: f32 [CONTENT_SAMPLES, COUNT], sample n reads n % CONTENT_SAMPLES; mask, if MASKED:
// f32 [MASK_SAMPLES, PLANE], likewise; weights: vec2f [N].   Dispatch (ceil(COUNT / 1024), N, 1)
override COUNT: u32;           // C * H * W
override PLANE: u32;           // H * W
override CONTENT_SAMPLES: u32;
override MASKED: bool;
override MASK_SAMPLES: u32;
@group(0) @binding(0) var<storage, read> h: array<f32>;
@group(0) @binding(1) var<storage, read> content: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = wg.y;
  let ab = weights[n];
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    var m = 1.0;
    if (MASKED) { m = mask[(n % MASK_SAMPLES) * PLANE + i % PLANE]; }
    let a = (1.0 - m) + m * ab.x;
    let b = m * ab.y;
    var v = h[n * COUNT + i];
    if (a != 1.0 || b != 0.0) { v = a * v + b * content[(n % CONTENT_SAMPLES) * COUNT + i]; }
    y[n * COUNT + i] = v;
  }
}
