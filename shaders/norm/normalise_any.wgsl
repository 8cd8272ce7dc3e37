// normalise.wgsl for planes of any size: y = act((v - mean) scale + shift), (mean, scale, shift) = norm[n, c].
// x: f32 [N, C1, PLANE]; skip: f32 [SKIP_SAMPLES, C2, PLANE], sample n reads n % SKIP_SAMPLES;
// norm: vec4f [N, C1 + C2]; y: f32 [N, C1 + C2, PLANE].
// Dispatch: one lane per float of a sample, 64 a workgroup, folded into x and y; z = N.
override C1: u32;              // uniform
override C2: u32;              // uniform
override SKIP_SAMPLES: u32;    // uniform
override PLANE: u32;           // uniform: H * W
override SILU: bool;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channels = C1 + C2;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= channels * PLANE) { return; }
  let n = wg.z;
  var v: f32;
  if (i < C1 * PLANE) { v = x[n * C1 * PLANE + i]; } else { v = skip[(n % SKIP_SAMPLES) * C2 * PLANE + i - C1 * PLANE]; }
  let f = norm[n * channels + i / PLANE];
  let z = (v - f.x) * f.y + f.z;
  y[n * channels * PLANE + i] = select(z, z / (1.0 + exp(-max(z, -80.0))), SILU);   // exp stays finite
}
