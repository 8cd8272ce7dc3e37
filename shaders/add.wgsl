// y[n] = a[n] + b[n % B_SAMPLES].   a, y: f32 [N, COUNT]; b: f32 [B_SAMPLES, COUNT].   Dispatch (ceil(COUNT / 1024), N, 1)
override COUNT: u32;
override B_SAMPLES: u32;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = wg.y;
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    y[n * COUNT + i] = a[n * COUNT + i] + b[(n % B_SAMPLES) * COUNT + i];
  }
}
