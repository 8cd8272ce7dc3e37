// y = bytes (R, G, B, 255), each floor((v + 1) / 2 * 255 + 1/2) clamped to 0..255; NaN becomes 0.
// x: f32 [N, 3, PLANE]; y: u32 [N, PLANE], R in the lowest byte.   Dispatch (ceil(PLANE / 1024), N, 1)
override PLANE: u32;           // H * W
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

fn byte(v: f32) -> u32 {
  let nan = (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
  return u32(select(clamp((v + 1.0) * 0.5 * 255.0 + 0.5, 0.0, 255.0), 0.0, nan));
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = wg.y;
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= PLANE) { break; }
    let r = byte(x[n * 3u * PLANE + i]);
    let g = byte(x[(n * 3u + 1u) * PLANE + i]);
    let b = byte(x[(n * 3u + 2u) * PLANE + i]);
    y[n * PLANE + i] = r | (g << 8u) | (b << 16u) | 0xff000000u;
  }
}
