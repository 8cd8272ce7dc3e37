// y = a x + b o, weighted by columns OF_X and OF_O of the step row. X0_X and X0_O: P of the network's output o (Song et al. 2021,
// eq. 12). SQRT_ALPHA and SQRT_ONE_MINUS_ALPHA: a picture x with noise o (Ho et al. 2020, eq. 4).
// steps: f32 [N, STEP_FLOATS]; y: f32 [K, COUNT], sample j of x and row j % N. lib/output describes x and eps = o, of K samples.
// import samples, output
const OF_X: u32 = X0_X;
const OF_O: u32 = X0_O;

@group(0) @binding(3) var<storage, read_write> y: array<Block>;

fn each(j: u32, i: u32, id: u32) {
  let n = j % N;
  let of_x = step_value(n, OF_X);
  let of_o = step_value(n, OF_O);
  var v = x[n * (COUNT / WIDE) + i];
  let o = eps[eps_at(j, i)];
  for (var k = 0u; k < WIDE; k++) { v[k] = of_x * v[k] + of_o * o[k]; } // unroll
  y[id] = v;
}
