// y = act((v - mean) scale + shift), where (mean, scale, shift) = norm[n, c] and v are the channels of x, then of skip.
// x: f32 [SAMPLES, C1, PLANE]; skip: f32 [SKIP_SAMPLES, C2, PLANE], sample n reads n % SKIP_SAMPLES; PLANE % 16 == 0;
// norm: vec4f [SAMPLES, C1 + C2]; y: f32 [SAMPLES, C1 + C2, PLANE].
// Dispatch: one lane for 16 consecutive floats, folded into x and y.
override SAMPLES: u32;         // uniform
override C1: u32;              // uniform
override C2: u32;              // uniform
override SKIP_SAMPLES: u32;    // uniform
override PLANE: u32;           // uniform: H * W
override SILU: bool;
@group(0) @binding(0) var<storage, read> x: array<mat4x4f>;
@group(0) @binding(1) var<storage, read> skip: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<mat4x4f>;

fn apply(v: vec4f, norm: vec4f) -> vec4f {
  let z = (v - norm.x) * norm.y + norm.z;
  if (SILU) { return z / (1.0 + exp(-max(z, vec4f(-80.0)))); }   // exp stays finite
  return z;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let channels = C1 + C2;
  let blocks = PLANE / 16u;
  let id = (wg.y * grid.x + wg.x) * 64u + local;
  let row = id / blocks;       // n * channels + c
  if (row >= SAMPLES * channels) { return; }
  let at = id % blocks;
  let c = row % channels;
  let n = row / channels;
  var v: mat4x4f;
  if (c < C1) { v = x[(n * C1 + c) * blocks + at]; } else { v = skip[((n % SKIP_SAMPLES) * C2 + c - C1) * blocks + at]; }
  let f = norm[row];
  y[id] = mat4x4f(apply(v[0], f), apply(v[1], f), apply(v[2], f), apply(v[3], f));
}
