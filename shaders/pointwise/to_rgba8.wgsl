// y = bytes (R, G, B, 255), each floor((v + 1) / 2 * 255 + 1/2) clamped to 0..255; NaN becomes 0.
// x: f32 [N, 3, PLANE]; y: u32 [N, PLANE], R in the lowest byte.
// Dispatch: one lane per WIDE pixels of a sample, 64 a workgroup, folded into x and y; z = N.
override PLANE: u32;           // uniform: H * W
const WIDE: u32 = 16u;         // pixels a lane handles at once: 16, 4 or 1, dividing PLANE
@group(0) @binding(0) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(1) var<storage, read_write> y: array<array<u32, WIDE>>;

fn byte(v: f32) -> u32 {
  let nan = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
  return u32(select(clamp((v + 1.0) * 0.5 * 255.0 + 0.5, 0.0, 255.0), 0.0, nan));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = PLANE / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let n = wg.z;
  let r = x[n * 3u * blocks + i];
  let g = x[(n * 3u + 1u) * blocks + i];
  let b = x[(n * 3u + 2u) * blocks + i];
  var rgba: array<u32, WIDE>;
  for (var k = 0u; k < WIDE; k++) { // unroll
    rgba[k] = byte(r[k]) | (byte(g[k]) << 8u) | (byte(b[k]) << 16u) | 0xff000000u;
  }
  y[n * blocks + i] = rgba;
}
