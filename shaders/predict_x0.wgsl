// P = (x - sqrt(1 - a_t) e) / sqrt(a_t).                                              Song et al. 2021, eq. 12
// steps: f32 [SAMPLES, 32]; x: f32 [SAMPLES, COUNT]; eps: f32 [K, EPS_COUNT], the first COUNT values of each sample;
// y: f32 [K, COUNT], sample j of x and row j % SAMPLES.   Dispatch (ceil(COUNT / 1024), K, 1)
override COUNT: u32;           // C * H * W
override EPS_COUNT: u32;
override SAMPLES: u32;
const SQRT_ALPHA = 1u;
const SQRT_ONE_MINUS_ALPHA = 2u;
@group(0) @binding(0) var<storage, read> steps: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> eps: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let j = wg.y;
  let n = j % SAMPLES;
  let noise = steps[n * 32u + SQRT_ONE_MINUS_ALPHA];
  let signal = steps[n * 32u + SQRT_ALPHA];
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    y[j * COUNT + i] = (x[n * COUNT + i] - noise * eps[j * EPS_COUNT + i]) / signal;
  }
}
