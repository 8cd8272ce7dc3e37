// y = [a; b] along the batch.   a: f32 [A_SAMPLES, COUNT]; b: f32 [N - A_SAMPLES, COUNT]; y: f32 [N, COUNT].
// Dispatch (ceil(COUNT / 1024), N, 1)
override COUNT: u32;
override A_SAMPLES: u32;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = wg.y;
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    var v: f32;
    if (n < A_SAMPLES) { v = a[n * COUNT + i]; } else { v = b[(n - A_SAMPLES) * COUNT + i]; }
    y[n * COUNT + i] = v;
  }
}
