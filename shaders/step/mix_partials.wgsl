// Partial sums for mixing: partials[n, lane] = sums over the lane's elements of (u u, v v, u v, (u - v)^2), with
// u = m h and v = m h_c.   h: f32 [N, COUNT]; content: f32 [CONTENT_SAMPLES, COUNT], sample n reads n % CONTENT_SAMPLES;
// mask, if MASKED: f32 [MASK_SAMPLES, PLANE], likewise; partials: vec4f [N, LANES].   Dispatch (LANES / 64, N, 1)
override COUNT: u32;           // uniform: C * H * W
override PLANE: u32;           // uniform: H * W
override CONTENT_SAMPLES: u32; // uniform
override MASKED: bool;
override MASK_SAMPLES: u32;    // uniform
override LANES: u32;           // uniform
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing PLANE
@group(0) @binding(0) var<storage, read> h: array<array<f32, WIDE>>;
@group(0) @binding(1) var<storage, read> content: array<array<f32, WIDE>>;
@group(0) @binding(2) var<storage, read> mask: array<array<f32, WIDE>>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = id.y;
  let blocks = COUNT / WIDE;
  var sums = vec4f();
  for (var i = id.x; i < blocks; i += LANES) {
    var u = h[n * blocks + i];
    var v = content[(n % CONTENT_SAMPLES) * blocks + i];
    if (MASKED) {
      let in_plane = PLANE / WIDE;
      let m = mask[(n % MASK_SAMPLES) * in_plane + i % in_plane];
      for (var k = 0u; k < WIDE; k++) { // unroll
        u[k] *= m[k];
        v[k] *= m[k];
      }
    }
    for (var k = 0u; k < WIDE; k++) { // unroll
      let left = vec4f(u[k], v[k], u[k], u[k] - v[k]);
      let right = vec4f(u[k], v[k], v[k], u[k] - v[k]);
      sums += left * right;
    }
  }
  partials[n * LANES + id.x] = sums;
}
