// y = SQRT_ALPHA x + SQRT_ONE_MINUS_ALPHA z: a picture x with the noise of time step t.       Ho et al. 2020, eq. 4
// steps: f32 [N, STEP_FLOATS]; x, z, y: f32 [N, COUNT].
// import pointwise, step_row

@group(0) @binding(1) var<storage, read> x: array<Block>;
@group(0) @binding(2) var<storage, read> z: array<Block>;
@group(0) @binding(3) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  let signal = step_value(n, SQRT_ALPHA);
  let noise = step_value(n, SQRT_ONE_MINUS_ALPHA);
  var v = x[id];
  let drawn = z[id];
  for (var k = 0u; k < WIDE; k++) { v[k] = signal * v[k] + noise * drawn[k]; } // unroll
  y[id] = v;
}
