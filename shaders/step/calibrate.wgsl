// x' = x + sqrt(a_t) (P' - P) + omega sqrt(1 - a_t) (e~ - e),                    Jeong et al. 2023, section 3.4
// P' = mean(P~) + (P~ - mean(P~)) std(P) / std(P~) where the row says RESCALE and std(P~) > 0, else P' = P~.
// steps: f32 [SAMPLES, 32]; x, y: f32 [SAMPLES, COUNT]; eps: f32 [2 SAMPLES, EPS_COUNT] = (e; e~), the first COUNT values
// of each sample; p: f32 [2 SAMPLES, COUNT] = (P; P~); moments: vec2f [2 SAMPLES], (mean, std) of p.
// If REGIONAL, omega differs from place to place: masks: f32 [REGIONS, PLANE] in [0, 1] and omegas: f32 [REGIONS] are laid
// over the row's omega in their order, omega <- (1 - m) omega + m omegas[r]; every sample reads the same.
// Dispatch: one lane per WIDE floats of a sample, 64 a workgroup, folded into x and y; z = SAMPLES.
override COUNT: u32;           // uniform: C * H * W
override EPS_COUNT: u32;       // uniform
override SAMPLES: u32;         // uniform
override REGIONAL: bool;
override REGIONS: u32;         // uniform
override PLANE: u32;           // uniform: H * W
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing COUNT and EPS_COUNT (and PLANE)
const SQRT_ALPHA = 1u;
const SQRT_ONE_MINUS_ALPHA = 2u;
const OMEGA = 6u;
const EPS_O = 14u;
const RESCALE = 7u;
@group(0) @binding(0) var<storage, read> steps: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(2) var<storage, read> eps: array<array<f32, WIDE>>;
@group(0) @binding(3) var<storage, read> p: array<array<f32, WIDE>>;
@group(0) @binding(4) var<storage, read> moments: array<vec2f>;
@group(0) @binding(5) var<storage, read> masks: array<array<f32, WIDE>>;
@group(0) @binding(6) var<storage, read> omegas: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<array<f32, WIDE>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = COUNT / WIDE;
  let eps_blocks = EPS_COUNT / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let n = wg.z;
  let signal = steps[n * 32u + SQRT_ALPHA];
  let sigma = steps[n * 32u + SQRT_ONE_MINUS_ALPHA] * steps[n * 32u + EPS_O];   // e~ - e = EPS_O (o~ - o)
  let injected = moments[SAMPLES + n];
  let rescale = steps[n * 32u + RESCALE] != 0.0 && injected.y > 0.0;
  var ratio = 1.0;
  if (rescale) { ratio = moments[n].y / injected.y; }
  var v = x[n * blocks + i];
  let e = eps[n * eps_blocks + i];
  let e_injected = eps[(SAMPLES + n) * eps_blocks + i];
  let clean = p[n * blocks + i];
  let clean_injected = p[(SAMPLES + n) * blocks + i];
  if (REGIONAL) {
    let in_plane = PLANE / WIDE;
    var omega: array<f32, WIDE>;
    for (var k = 0u; k < WIDE; k++) { // unroll
      omega[k] = steps[n * 32u + OMEGA];
    }
    for (var r = 0u; r < REGIONS; r++) {
      let m = masks[r * in_plane + i % in_plane];
      for (var k = 0u; k < WIDE; k++) { // unroll
        omega[k] = (1.0 - m[k]) * omega[k] + m[k] * omegas[r];
      }
    }
    for (var k = 0u; k < WIDE; k++) { // unroll
      let target_clean = select(clean_injected[k], injected.x + (clean_injected[k] - injected.x) * ratio, rescale);
      v[k] += signal * (target_clean - clean[k]) + omega[k] * sigma * (e_injected[k] - e[k]);
    }
  } else {
    let noise = steps[n * 32u + OMEGA] * sigma;
    for (var k = 0u; k < WIDE; k++) { // unroll
      let target_clean = select(clean_injected[k], injected.x + (clean_injected[k] - injected.x) * ratio, rescale);
      v[k] += signal * (target_clean - clean[k]) + noise * (e_injected[k] - e[k]);
    }
  }
  y[n * blocks + i] = v;
}
