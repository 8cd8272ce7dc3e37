// P = X0_X x + X0_O o of the network's output o.                                      Song et al. 2021, eq. 12
// steps: f32 [SAMPLES, 32]; x: f32 [SAMPLES, COUNT]; eps: f32 [K, EPS_COUNT], the first COUNT values of each sample;
// y: f32 [K, COUNT], sample j of x and row j % SAMPLES.
// Dispatch: one lane per WIDE floats of a sample, 64 a workgroup, folded into x and y; z = K.
override COUNT: u32;           // uniform: C * H * W
override EPS_COUNT: u32;       // uniform
override SAMPLES: u32;         // uniform
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing COUNT and EPS_COUNT
const X0_X = 11u;
const X0_O = 12u;
@group(0) @binding(0) var<storage, read> steps: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(2) var<storage, read> eps: array<array<f32, WIDE>>;
@group(0) @binding(3) var<storage, read_write> y: array<array<f32, WIDE>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = COUNT / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let j = wg.z;
  let n = j % SAMPLES;
  let of_x = steps[n * 32u + X0_X];
  let of_o = steps[n * 32u + X0_O];
  var v = x[n * blocks + i];
  let e = eps[j * (EPS_COUNT / WIDE) + i];
  for (var k = 0u; k < WIDE; k++) { // unroll
    v[k] = of_x * v[k] + of_o * e[k];
  }
  y[j * blocks + i] = v;
}
