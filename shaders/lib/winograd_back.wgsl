// Winograd's output transform A^T m A, where OUT_M, OUT_STRIDE, OUT_SIDE and OUT_NARROW are M, STRIDE, PIXELS and NARROW of
// lib/winograd_domain.
const OUT_M: u32 = 4u;
const OUT_STRIDE: u32 = 1u;
const OUT_SIDE: u32 = (OUT_M - 1u) * OUT_STRIDE + 3u;
const OUT_NARROW: bool = false;

// A^T d for one line of all positions: OUT_M values; what is behind them does not count.
fn back(d: array<f32, 6>) -> array<f32, 4> {
  if (OUT_NARROW) { return back_narrow(d); }
  if (OUT_STRIDE == 2u) { return array(d[0] + d[1] + d[3], d[1] - d[2] + d[4], 0.0, 0.0); }
  if (OUT_M == 2u) { return array(d[0] + d[1] + d[2], d[1] - d[2] - d[3], 0.0, 0.0); }
  let sum1 = d[1] + d[2];
  let sum2 = d[3] + d[4];
  let diff1 = d[1] - d[2];
  let diff2 = d[3] - d[4];
  return array(d[0] + sum1 + sum2, diff1 + 2.0 * diff2, sum1 + 4.0 * sum2, diff1 + 8.0 * diff2 + d[5]);
}

// The same for filters in f16. Rows of G that would grow are halved, so no sum of a filter's taps is beyond what f16 holds.
// F(4,3) evaluates at 2/3 and 3/2 instead of 1 and 2: a weight rounded there moves an output 5 times as much as a tap rounded
// does, where it would be 11 times.
fn back_narrow(d: array<f32, 6>) -> array<f32, 4> {
  let sum1 = d[1] + d[2];
  let diff1 = d[1] - d[2];
  if (OUT_STRIDE == 2u) { return array(d[0] + 2.0 * d[1] + d[3], 2.0 * d[1] - d[2] + d[4], 0.0, 0.0); }
  if (OUT_M == 2u) { return array(d[0] + 2.0 * sum1, 2.0 * diff1 - d[3], 0.0, 0.0); }
  let sum2 = d[3] + d[4];
  let diff2 = d[3] - d[4];
  return array(
    d[0] + 2.0 * sum1 + sum2, 4.0 / 3.0 * diff1 + 1.5 * diff2, 8.0 / 9.0 * sum1 + 2.25 * sum2,
    16.0 / 27.0 * diff1 + 3.375 * diff2 + d[5]);
}
