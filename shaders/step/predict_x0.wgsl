// P = X0_X x + X0_O o of the network's output o.                                      Song et al. 2021, eq. 12
// steps: f32 [N, STEP_FLOATS]; y: f32 [K, COUNT], sample j of x and row j % N. lib/output describes x and eps, of K samples.
// import output
override N: u32;               // uniform

@group(0) @binding(3) var<storage, read_write> y: array<Block>;

fn each(j: u32, i: u32, id: u32) {
  let n = j % N;
  let of_x = step_value(n, X0_X);
  let of_o = step_value(n, X0_O);
  var v = x[n * (COUNT / WIDE) + i];
  let e = eps[eps_at(j, i)];
  for (var k = 0u; k < WIDE; k++) { v[k] = of_x * v[k] + of_o * e[k]; } // unroll
  y[id] = v;
}
