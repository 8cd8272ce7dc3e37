// y[n] = (mean, std), std = sqrt(sum of (v - mean)^2 / (COUNT - 1)), over all values of sample n.
// partials: vec4f [N, LANES] = (pivot, mean - pivot, sum of (v - mean)^2, count), of norm/partials; y: vec2f [N].
// Two passes over a sample's partials.   Dispatch (N, 1, 1): a workgroup per sample.
// import group_sum
alias Value = f32;
override COUNT: u32;           // uniform: C * H * W
override LANES: u32;           // uniform

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec2f>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) local: u32) {
  let first = wg.x * LANES;
  let pivot = partials[first].x;
  var sum = 0.0;
  for (var i = local; i < LANES; i += WG) {
    let p = partials[first + i];
    sum += p.w * (p.x - pivot + p.y);
  }
  let offset = group_sum(local, sum) / f32(COUNT);   // mean - pivot
  sum = 0.0;
  for (var i = local; i < LANES; i += WG) {
    let p = partials[first + i];
    let d = p.x - pivot + p.y - offset;
    sum += p.z + p.w * d * d;
  }
  let squares = group_sum(local, sum);
  if (local == 0u) { y[wg.x] = vec2f(pivot + offset, sqrt(squares / f32(COUNT - 1u))); }
}
