// y[n] = [x[n]; skip[n % SKIP_N]] along the channels.
// x: f32 [N, X_COUNT]; skip: f32 [SKIP_N, COUNT - X_COUNT]; y: f32 [N, COUNT]; counts are C H W. WIDE divides both.
// import pointwise
override X_COUNT: u32;         // uniform
override SKIP_N: u32 = 1u;     // uniform

@group(0) @binding(0) var<storage, read> x: array<Block>;
@group(0) @binding(1) var<storage, read> skip: array<Block>;
@group(0) @binding(2) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  let in_x = X_COUNT / WIDE;
  if (i < in_x) {
    y[id] = x[n * in_x + i];
  } else {
    y[id] = skip[n % SKIP_N * (COUNT / WIDE - in_x) + i - in_x];
  }
}
