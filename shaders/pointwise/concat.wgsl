// y[n] = [x[n]; skip[n % SKIP_SAMPLES]] along the channels.
// x: f32 [N, X_COUNT]; skip: f32 [SKIP_SAMPLES, SKIP_COUNT]; y: f32 [N, X_COUNT + SKIP_COUNT]; counts are C H W.
// Dispatch: one lane per WIDE floats of a sample, 64 a workgroup, folded into x and y; z = N.
override X_COUNT: u32;         // uniform
override SKIP_COUNT: u32;      // uniform
override SKIP_SAMPLES: u32;    // uniform
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing both counts
@group(0) @binding(0) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(1) var<storage, read> skip: array<array<f32, WIDE>>;
@group(0) @binding(2) var<storage, read_write> y: array<array<f32, WIDE>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = (X_COUNT + SKIP_COUNT) / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let n = wg.z;
  let in_x = X_COUNT / WIDE;
  let in_skip = SKIP_COUNT / WIDE;
  if (i < in_x) {
    y[n * blocks + i] = x[n * in_x + i];
  } else {
    y[n * blocks + i] = skip[(n % SKIP_SAMPLES) * in_skip + i - in_x];
  }
}
