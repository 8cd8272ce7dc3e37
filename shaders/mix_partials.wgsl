// Partial sums for mixing: partials[n, lane] = sums over the lane's elements of (u u, v v, u v, (u - v)^2), with
// u = m h and v = m h_c.   h: f32 [N, COUNT]; content: f32 [CONTENT_SAMPLES, COUNT], sample n reads n % CONTENT_SAMPLES;
// mask, if MASKED: f32 [MASK_SAMPLES, PLANE], likewise; partials: vec4f [N, LANES].   Dispatch (LANES / 64, N, 1)
override COUNT: u32;           // C * H * W
override PLANE: u32;           // H * W
override CONTENT_SAMPLES: u32;
override MASKED: bool;
override MASK_SAMPLES: u32;
override LANES: u32;
@group(0) @binding(0) var<storage, read> h: array<f32>;
@group(0) @binding(1) var<storage, read> content: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = id.y;
  var sums = vec4f();
  for (var i = id.x; i < COUNT; i += LANES) {
    var m = 1.0;
    if (MASKED) { m = mask[(n % MASK_SAMPLES) * PLANE + i % PLANE]; }
    let u = m * h[n * COUNT + i];
    let v = m * content[(n % CONTENT_SAMPLES) * COUNT + i];
    let left = vec4f(u, v, u, u - v);
    let right = vec4f(u, v, v, u - v);
    sums += left * right;
  }
  partials[n * LANES + id.x] = sums;
}
