// group_norm_partials.wgsl for planes of any size, one float at a time.
// partials[n, c, lane] = (pivot, mean - pivot, sum of (v - mean)^2, count); a lane without elements writes zeros.
// x: f32 [SAMPLES, C1, PLANE]; skip: f32 [SKIP_SAMPLES, C2, PLANE], sample n reads n % SKIP_SAMPLES.
// partials: vec4f [SAMPLES, C1 + C2, LANES].   Dispatch: SAMPLES (C1 + C2) LANES lanes, folded into x and y.
override SAMPLES: u32;         // uniform
override C1: u32;              // uniform
override C2: u32;              // uniform
override SKIP_SAMPLES: u32;    // uniform
override PLANE: u32;           // uniform: H * W
override LANES: u32;           // uniform: per channel
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> skip: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let channels = C1 + C2;
  let id = (wg.y * grid.x + wg.x) * 64u + local;
  if (id >= SAMPLES * channels * LANES) { return; }
  let lane = id % LANES;
  let c = id / LANES % channels;
  let n = id / (LANES * channels);
  let in_x = c < C1;
  let base = select(((n % SKIP_SAMPLES) * C2 + c - C1) * PLANE, (n * C1 + c) * PLANE, in_x);
  if (lane >= PLANE) {
    partials[id] = vec4f();
    return;
  }
  var pivot: f32;
  if (in_x) { pivot = x[base + lane]; } else { pivot = skip[base + lane]; }
  var sum = 0.0;
  var squares = 0.0;
  var count = 0.0;
  for (var i = lane; i < PLANE; i += LANES) {
    var v: f32;
    if (in_x) { v = x[base + i]; } else { v = skip[base + i]; }
    let d = v - pivot;
    sum += d;
    squares += d * d;
    count += 1.0;
  }
  partials[id] = vec4f(pivot, sum / count, max(squares - sum * (sum / count), 0.0), count);
}
