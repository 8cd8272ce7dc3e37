// y[n] = [x[n]; skip[n % SKIP_SAMPLES]] along the channels.
// x: f32 [N, X_COUNT]; skip: f32 [SKIP_SAMPLES, SKIP_COUNT]; y: f32 [N, X_COUNT + SKIP_COUNT]; counts are C H W.
// Dispatch (ceil((X_COUNT + SKIP_COUNT) / 1024), N, 1)
override X_COUNT: u32;
override SKIP_COUNT: u32;
override SKIP_SAMPLES: u32;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = wg.y;
  let count = X_COUNT + SKIP_COUNT;
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= count) { break; }
    var v: f32;
    if (i < X_COUNT) { v = x[n * X_COUNT + i]; } else { v = skip[(n % SKIP_SAMPLES) * SKIP_COUNT + i - X_COUNT]; }
    y[n * count + i] = v;
  }
}
