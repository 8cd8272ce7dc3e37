// x' = x + sqrt(a_t) (P' - P) + omega sqrt(1 - a_t) (e~ - e),                    Jeong et al. 2023, section 3.4
// P' = mean(P~) + (P~ - mean(P~)) std(P) / std(P~) where the row says RESCALE and std(P~) > 0, else P' = P~.
// steps: f32 [SAMPLES, 32]; x, y: f32 [SAMPLES, COUNT]; eps: f32 [2 SAMPLES, EPS_COUNT] = (e; e~), the first COUNT values
// of each sample; p: f32 [2 SAMPLES, COUNT] = (P; P~); moments: vec2f [2 SAMPLES], (mean, std) of p.
// Dispatch (ceil(COUNT / 1024), SAMPLES, 1)
override COUNT: u32;           // C * H * W
override EPS_COUNT: u32;
override SAMPLES: u32;
const SQRT_ALPHA = 1u;
const SQRT_ONE_MINUS_ALPHA = 2u;
const OMEGA = 6u;
const RESCALE = 7u;
@group(0) @binding(0) var<storage, read> steps: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> eps: array<f32>;
@group(0) @binding(3) var<storage, read> p: array<f32>;
@group(0) @binding(4) var<storage, read> moments: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = wg.y;
  let signal = steps[n * 32u + SQRT_ALPHA];
  let noise = steps[n * 32u + OMEGA] * steps[n * 32u + SQRT_ONE_MINUS_ALPHA];
  let target_std = moments[n].y;
  let injected = moments[SAMPLES + n];
  let rescale = steps[n * 32u + RESCALE] != 0.0 && injected.y > 0.0;
  var ratio = 1.0;
  if (rescale) { ratio = target_std / injected.y; }
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    var clean = p[(SAMPLES + n) * COUNT + i];
    if (rescale) { clean = injected.x + (clean - injected.x) * ratio; }
    let dp = clean - p[n * COUNT + i];
    let de = eps[(SAMPLES + n) * EPS_COUNT + i] - eps[n * EPS_COUNT + i];
    y[n * COUNT + i] = x[n * COUNT + i] + (signal * dp + noise * de);
  }
}
