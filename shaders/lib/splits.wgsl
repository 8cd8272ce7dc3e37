// Stores of sums that workgroups may share out: with SPLITS > 1, y: f32 [SPLITS, N, OC, OH, OW] holds those over parts of the
// channels, for conv/sum_splits.
// import output_size, store
override SPLITS: u32 = 1u;     // uniform

// Stores the sum of channel o at pixel p, counted over all samples.
fn finish(sum: f32, split: u32, o: u32, p: u32) {
  let plane = OH * OW;
  let n = p / plane;
  if (n < N && o < OC) {
    if (SPLITS == 1u) {
      store(sum + base(n, o), n, o, p % plane, plane);
    } else {
      y[((split * N + n) * OC + o) * plane + p % plane] = sum;
    }
  }
}
