// rest = b - (BACK_SIGNAL P + BACK_NOISE e),   moved = x + SQRT_ALPHA (P~ - P)             Zhang, Lewis & Kleijn 2023
// b: where x was before this step; rest: by how far a DDIM step from x back to there misses it.   P = X0_X x + X0_O o,
// P~ the same of o', e = EPS_X x + EPS_O o; o = output of the network for sample n, o' = for sample n + FIRST: o itself
// (FIRST = 0), or the injected one (FIRST = N).
// steps: f32 [N, STEP_FLOATS]; b, rest, moved: f32 [N, COUNT]. lib/output describes x and eps, of N or 2N samples.
// import output
override FIRST: u32;           // uniform

@group(0) @binding(3) var<storage, read> before: array<Block>;
@group(0) @binding(4) var<storage, read_write> rest: array<Block>;
@group(0) @binding(5) var<storage, read_write> moved: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  let clean_x = step_value(n, X0_X);
  let clean_o = step_value(n, X0_O);
  let eps_x = step_value(n, EPS_X);
  let eps_o = step_value(n, EPS_O);
  let signal = step_value(n, SQRT_ALPHA);
  let back_signal = step_value(n, BACK_SIGNAL);
  let back_noise = step_value(n, BACK_NOISE);
  let noisy = x[id];
  let o = eps[eps_at(n, i)];
  let o_injected = eps[eps_at(n + FIRST, i)];
  var left = before[id];
  var shifted = noisy;
  for (var k = 0u; k < WIDE; k++) { // unroll
    let clean = clean_x * noisy[k] + clean_o * o[k];
    let clean_injected = clean_x * noisy[k] + clean_o * o_injected[k];
    left[k] -= back_signal * clean + back_noise * (eps_x * noisy[k] + eps_o * o[k]);
    shifted[k] += signal * (clean_injected - clean);
  }
  rest[id] = left;
  moved[id] = shifted;
}
