// next = SQRT_ALPHA_NEXT P + DIRECTION e + SIGMA z,   P = X0_X x + X0_O o',   e = EPS_X x + EPS_O o,   Song et al. 2021, eq. 12
// o = output of the network, o' = sample n + FIRST of it: o itself (FIRST = 0), or the injected one (FIRST = N).   Kwon et
// al. 2023, eq. 5.   P is clamped to +-CLIP where CLIP is not 0.
// steps: f32 [N, 32]; x, z, next, x0: f32 [N, COUNT]; eps: f32 [N or 2N, EPS_COUNT], the first COUNT values of each
// sample; x0 = P. z is read where SIGMA is not 0 only.
// Dispatch: one lane per WIDE floats of a sample, 64 a workgroup, folded into x and y; z = N.
override COUNT: u32;           // uniform: C * H * W
override EPS_COUNT: u32;       // uniform
override FIRST: u32;           // uniform
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing COUNT and EPS_COUNT
const SQRT_ALPHA_NEXT = 3u;
const DIRECTION = 4u;
const SIGMA = 5u;
const X0_X = 11u;
const X0_O = 12u;
const EPS_X = 13u;
const EPS_O = 14u;
const CLIP = 15u;
@group(0) @binding(0) var<storage, read> steps: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(2) var<storage, read> eps: array<array<f32, WIDE>>;
@group(0) @binding(3) var<storage, read> z: array<array<f32, WIDE>>;
@group(0) @binding(4) var<storage, read_write> next: array<array<f32, WIDE>>;
@group(0) @binding(5) var<storage, read_write> x0: array<array<f32, WIDE>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = COUNT / WIDE;
  let eps_blocks = EPS_COUNT / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let n = wg.z;
  let row = n * 32u;
  let clean_x = steps[row + X0_X];
  let clean_o = steps[row + X0_O];
  let eps_x = steps[row + EPS_X];
  let eps_o = steps[row + EPS_O];
  let clip = steps[row + CLIP];
  let signal_next = steps[row + SQRT_ALPHA_NEXT];
  let direction = steps[row + DIRECTION];
  let sigma = steps[row + SIGMA];
  let noisy = x[n * blocks + i];
  var clean: array<f32, WIDE>;
  let e = eps[n * eps_blocks + i];
  let e_clean = eps[(n + FIRST) * eps_blocks + i];
  var v: array<f32, WIDE>;
  for (var k = 0u; k < WIDE; k++) { // unroll
    clean[k] = clean_x * noisy[k] + clean_o * e_clean[k];
    if (clip > 0.0) { clean[k] = clamp(clean[k], -clip, clip); }
    v[k] = signal_next * clean[k] + direction * (eps_x * noisy[k] + eps_o * e[k]);
  }
  if (sigma != 0.0) {
    let fresh = z[n * blocks + i];
    for (var k = 0u; k < WIDE; k++) { // unroll
      v[k] += sigma * fresh[k];
    }
  }
  next[n * blocks + i] = v;
  x0[n * blocks + i] = clean;
}
