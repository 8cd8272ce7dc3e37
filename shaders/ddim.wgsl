// next = SQRT_ALPHA_NEXT P + DIRECTION e + SIGMA z,   P = (x - sqrt(1 - a_t) e') / sqrt(a_t),   Song et al. 2021, eq. 12
// e' = sample n + FIRST of eps: e itself (FIRST = 0), or the injected e~ (FIRST = N).            Kwon et al. 2023, eq. 5
// steps: f32 [N, 32]; x, z, next, x0: f32 [N, COUNT]; eps: f32 [N or 2N, EPS_COUNT], the first COUNT values of each
// sample; x0 = P. z is read where SIGMA is not 0 only.   Dispatch (ceil(COUNT / 1024), N, 1)
override COUNT: u32;           // C * H * W
override EPS_COUNT: u32;
override FIRST: u32;
const SQRT_ALPHA = 1u;
const SQRT_ONE_MINUS_ALPHA = 2u;
const SQRT_ALPHA_NEXT = 3u;
const DIRECTION = 4u;
const SIGMA = 5u;
@group(0) @binding(0) var<storage, read> steps: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> eps: array<f32>;
@group(0) @binding(3) var<storage, read> z: array<f32>;
@group(0) @binding(4) var<storage, read_write> next: array<f32>;
@group(0) @binding(5) var<storage, read_write> x0: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = wg.y;
  let row = n * 32u;
  let signal = steps[row + SQRT_ALPHA];
  let noise = steps[row + SQRT_ONE_MINUS_ALPHA];
  let signal_next = steps[row + SQRT_ALPHA_NEXT];
  let direction = steps[row + DIRECTION];
  let sigma = steps[row + SIGMA];
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    let p = (x[n * COUNT + i] - noise * eps[(n + FIRST) * EPS_COUNT + i]) / signal;
    var v = signal_next * p + direction * eps[n * EPS_COUNT + i];
    if (sigma != 0.0) { v += sigma * z[n * COUNT + i]; }
    next[n * COUNT + i] = v;
    x0[n * COUNT + i] = p;
  }
}
