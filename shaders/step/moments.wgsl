// y[n] = (mean, std), std = sqrt(sum of (v - mean)^2 / (COUNT - 1)), over all values of sample n.
// partials: vec4f [N, LANES] = (pivot, mean - pivot, sum of (v - mean)^2, count), of group_norm_partials.wgsl;
// y: vec2f [N].   Dispatch (N, 1, 1): one workgroup per sample. Two passes over its partials.
override COUNT: u32;           // uniform: C * H * W
override LANES: u32;           // uniform
const WG: u32 = 4u;            // power of two; one subgroup on the software adapter, where barriers between more are slow
@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec2f>;
var<workgroup> part: array<f32, WG>;

fn group_sum(lane: u32, value: f32) -> f32 {
  part[lane] = value;
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) { part[lane] += part[lane + step]; }
  }
  return workgroupUniformLoad(&part[0]);   // barrier on both sides, so part is free again
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = wg.x * LANES;
  let pivot = partials[first].x;
  var sum = 0.0;
  for (var i = lane; i < LANES; i += WG) {
    let p = partials[first + i];
    sum += p.w * (p.x - pivot + p.y);
  }
  let offset = group_sum(lane, sum) / f32(COUNT);   // mean - pivot
  sum = 0.0;
  for (var i = lane; i < LANES; i += WG) {
    let p = partials[first + i];
    let d = p.x - pivot + p.y - offset;
    sum += p.z + p.w * d * d;
  }
  let squares = group_sum(lane, sum);
  if (lane == 0u) { y[wg.x] = vec2f(pivot + offset, sqrt(squares / f32(COUNT - 1u))); }
}
