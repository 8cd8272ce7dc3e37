// y = (1 - m) h + m (a h + b h_c), (a, b) = weights[n]; h itself, to the bit, where that is a = 1, b = 0 or m = 0.
// h, y: f32 [N, COUNT]; content: f32 [CONTENT_SAMPLES, COUNT], sample n reads n % CONTENT_SAMPLES; mask, if MASKED:
// f32 [MASK_SAMPLES, PLANE], likewise; weights: vec2f [N].
// Dispatch: one lane per WIDE floats of a sample, 64 a workgroup, folded into x and y; z = N.
override COUNT: u32;           // uniform: C * H * W
override PLANE: u32;           // uniform: H * W
override CONTENT_SAMPLES: u32; // uniform
override MASKED: bool;
override MASK_SAMPLES: u32;    // uniform
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing PLANE
@group(0) @binding(0) var<storage, read> h: array<array<f32, WIDE>>;
@group(0) @binding(1) var<storage, read> content: array<array<f32, WIDE>>;
@group(0) @binding(2) var<storage, read> mask: array<array<f32, WIDE>>;
@group(0) @binding(3) var<storage, read> weights: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> y: array<array<f32, WIDE>>;

fn mixed(u: f32, v: f32, a: f32, b: f32) -> f32 { return select(a * u + b * v, u, a == 1.0 && b == 0.0); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = COUNT / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let n = wg.z;
  let ab = weights[n];
  var v = h[n * blocks + i];
  let c = content[(n % CONTENT_SAMPLES) * blocks + i];
  if (MASKED) {
    let in_plane = PLANE / WIDE;
    let m = mask[(n % MASK_SAMPLES) * in_plane + i % in_plane];
    for (var k = 0u; k < WIDE; k++) { // unroll
      v[k] = mixed(v[k], c[k], (1.0 - m[k]) + m[k] * ab.x, m[k] * ab.y);
    }
  } else {
    for (var k = 0u; k < WIDE; k++) { // unroll
      v[k] = mixed(v[k], c[k], ab.x, ab.y);
    }
  }
  y[n * blocks + i] = v;
}
