// Partial statistics of many values, which merge without cancellation (Chan et al. 1983):
// (pivot, mean - pivot, sum of (v - mean)^2, count). From sums of v - pivot, a part of them in each component, and of their
// squares; a lane without values has count 0.
fn partial(pivot: f32, sum: vec4f, squares: vec4f, count: f32) -> vec4f {
  let s = (sum.x + sum.y) + (sum.z + sum.w);
  let q = (squares.x + squares.y) + (squares.z + squares.w);
  let mean = s / max(count, 1.0);
  return vec4f(pivot, mean, max(q - s * mean, 0.0), count);
}
