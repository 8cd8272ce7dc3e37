// y[n] = (mean, std), std = sqrt(sum of (v - mean)^2 / (COUNT - 1)), over all values of sample n.
// partials: vec4f [N, PARTIALS] = (pivot, mean - pivot, sum of (v - mean)^2, count), of norm/partials; y: vec2f [N].
// Two passes over a sample's partials.   Tasks: samples.
// import count, group_sum
override PARTIALS: u32;        // uniform: of a sample

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec2f>;

fn work(n: u32, local: u32) {
  let first = n * PARTIALS;
  let pivot = partials[first].x;
  var sum = 0.0;
  for (var i = local; i < PARTIALS; i += LANES) {
    let p = partials[first + i];
    sum += p.w * (p.x - pivot + p.y);
  }
  let offset = group_sum(local, sum) / f32(COUNT);   // mean - pivot
  sum = 0.0;
  for (var i = local; i < PARTIALS; i += LANES) {
    let p = partials[first + i];
    let d = p.x - pivot + p.y - offset;
    sum += p.z + p.w * d * d;
  }
  let squares = group_sum(local, sum);
  if (local == 0u) { y[n] = vec2f(pivot + offset, sqrt(squares / f32(COUNT - 1u))); }
}
