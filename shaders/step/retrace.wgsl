// rest = b - (BACK_SIGNAL P + BACK_NOISE e),   moved = x + SQRT_ALPHA (P~ - P)             Zhang, Lewis & Kleijn 2023
// b: where x was before this step; rest: by how far a DDIM step from x back to there misses it. lib/prediction says of P and e;
// P~ is P of the injected output.
// steps: f32 [N, STEP_FLOATS]; b, rest, moved: f32 [N, COUNT].
// import prediction

@group(0) @binding(3) var<storage, read> before: array<Block>;
@group(0) @binding(4) var<storage, read_write> rest: array<Block>;
@group(0) @binding(5) var<storage, read_write> moved: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  let weights = prediction(n);
  let signal = step_value(n, SQRT_ALPHA);
  let back_signal = step_value(n, BACK_SIGNAL);
  let back_noise = step_value(n, BACK_NOISE);
  let noisy = x[id];
  let o = eps[eps_at(n, i)];
  let o_injected = eps[eps_at(n + FIRST, i)];
  var left = before[id];
  var shifted = noisy;
  for (var k = 0u; k < WIDE; k++) { // unroll
    let clean = clean_of(weights, noisy[k], o[k]);
    left[k] -= back_signal * clean + back_noise * noise_of(weights, noisy[k], o[k]);
    shifted[k] += signal * (weights.y * (o_injected[k] - o[k])); // P~ - P, and 0 to the bit where nothing is injected
  }
  rest[id] = left;
  moved[id] = shifted;
}
