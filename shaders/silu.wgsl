// y = x / (1 + exp(-x)).   x, y: f32 [N, COUNT].   Dispatch (ceil(COUNT / 1024), N, 1)
override COUNT: u32;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    let v = x[wg.y * COUNT + i];
    y[wg.y * COUNT + i] = v / (1.0 + exp(-max(v, -80.0)));   // exp stays finite
  }
}
