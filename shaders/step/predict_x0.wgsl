// P = X0_X x + X0_O o of the network's output o.                                      Song et al. 2021, eq. 12
// steps: f32 [N, STEP_FLOATS]; x: f32 [N, COUNT]; eps: f32 [K, EPS_COUNT], the first COUNT values of each sample;
// y: f32 [K, COUNT], sample j of x and row j % N. WIDE divides EPS_COUNT, too.
// import pointwise, step_row
alias Scalar = f32;
override EPS_COUNT: u32;       // uniform
override N: u32;               // uniform

@group(0) @binding(1) var<storage, read> x: array<Block>;
@group(0) @binding(2) var<storage, read> eps: array<Block>;
@group(0) @binding(3) var<storage, read_write> y: array<Block>;

fn each(j: u32, i: u32, id: u32) {
  let n = j % N;
  let of_x = step_value(n, X0_X);
  let of_o = step_value(n, X0_O);
  var v = x[n * (COUNT / WIDE) + i];
  let e = eps[j * (EPS_COUNT / WIDE) + i];
  for (var k = 0u; k < WIDE; k++) { v[k] = of_x * v[k] + of_o * e[k]; } // unroll
  y[id] = v;
}
