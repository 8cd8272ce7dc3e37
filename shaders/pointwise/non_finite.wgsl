// flag = min(flag, DRAW of the first step row) if x holds an infinity or a NaN.
// steps: u32 [N, STEP_FLOATS] and x: u32 [N, COUNT], f32 by their bits: the exponent is looked at, since float comparisons
// may be compiled as if there were no NaN; flag: u32.
// import pointwise, step_row
alias Scalar = u32;
const EXPONENT = 0x7f800000u;

@group(0) @binding(1) var<storage, read> x: array<array<u32, WIDE>>;
@group(0) @binding(2) var<storage, read_write> flag: atomic<u32>;

fn each(n: u32, i: u32, id: u32) {
  let v = x[id];
  var found = false;
  for (var k = 0u; k < WIDE; k++) { found |= (v[k] & EXPONENT) == EXPONENT; } // unroll
  if (found) { atomicMin(&flag, step_value(0u, DRAW)); }
}
