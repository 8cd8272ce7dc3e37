// Winograd's output transform A^T m A, where OUT_M, OUT_STRIDE and OUT_SIDE are M, STRIDE and SIDE of lib/winograd.
const OUT_M: u32 = 4u;
const OUT_STRIDE: u32 = 1u;
const OUT_SIDE: u32 = (OUT_M - 1u) * OUT_STRIDE + 3u;

// A^T d for one line of OUT_SIDE: OUT_M values; what is behind them does not count.
fn back(d: array<f32, 6>) -> array<f32, 4> {
  if (OUT_STRIDE == 2u) { return array(d[0] + d[1] + d[3], d[1] - d[2] + d[4], 0.0, 0.0); }
  if (OUT_M == 2u) { return array(d[0] + d[1] + d[2], d[1] - d[2] - d[3], 0.0, 0.0); }
  let sum1 = d[1] + d[2];
  let sum2 = d[3] + d[4];
  let diff1 = d[1] - d[2];
  let diff2 = d[3] - d[4];
  return array(d[0] + sum1 + sum2, diff1 + 2.0 * diff2, sum1 + 4.0 * sum2, diff1 + 8.0 * diff2 + d[5]);
}
