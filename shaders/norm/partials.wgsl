// Partial sums for group norm, and for moments: every lane sums over its share of one channel's plane, about its own
// first value (the pivot), so that E[x^2] - E[x]^2 never meets a large mean.
// partials[n, c, lane] = (pivot, mean - pivot, sum of (v - mean)^2, count); a lane without elements writes zeros.
// x: f32 [SAMPLES, C1, PLANE]; skip: f32 [SKIP_SAMPLES, C2, PLANE], sample n reads n % SKIP_SAMPLES; PLANE % 16 == 0.
// partials: vec4f [SAMPLES, C1 + C2, LANES].   Dispatch: SAMPLES (C1 + C2) LANES lanes, folded into x and y.
// A lane loads 16 consecutive floats at once: on software adapters one wide load costs little more than a narrow one.
override SAMPLES: u32;         // uniform
override C1: u32;              // uniform
override C2: u32;              // uniform
override SKIP_SAMPLES: u32;    // uniform
override PLANE: u32;           // uniform: H * W
override LANES: u32;           // uniform: per channel
@group(0) @binding(0) var<storage, read> x: array<mat4x4f>;
@group(0) @binding(1) var<storage, read> skip: array<mat4x4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let channels = C1 + C2;
  let id = (wg.y * grid.x + wg.x) * 64u + local;
  if (id >= SAMPLES * channels * LANES) { return; }
  let lane = id % LANES;
  let c = id / LANES % channels;
  let n = id / (LANES * channels);
  let blocks = PLANE / 16u;
  let in_x = c < C1;
  let base = select(((n % SKIP_SAMPLES) * C2 + c - C1) * blocks, (n * C1 + c) * blocks, in_x);
  if (lane >= blocks) {
    partials[id] = vec4f();
    return;
  }
  var block: mat4x4f;
  if (in_x) { block = x[base + lane]; } else { block = skip[base + lane]; }
  let pivot = block[0].x;
  var sum = vec4f();
  var squares = vec4f();
  var i = lane;
  loop {
    let a = block[0] - pivot;
    let b = block[1] - pivot;
    let c = block[2] - pivot;
    let d = block[3] - pivot;
    sum += (a + b) + (c + d);
    squares += a * a;
    squares += b * b;
    squares += c * c;
    squares += d * d;
    i += LANES;
    if (i >= blocks) { break; }
    if (in_x) { block = x[base + i]; } else { block = skip[base + i]; }
  }
  let count = f32((i - lane) / LANES * 16u);
  let s = (sum.x + sum.y) + (sum.z + sum.w);
  let q = (squares.x + squares.y) + (squares.z + squares.w);
  partials[id] = vec4f(pivot, s / count, max(q - s * (s / count), 0.0), count);
}
