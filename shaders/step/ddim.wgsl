// next = SQRT_ALPHA_NEXT P + DIRECTION e + SIGMA z + BEFORE b: lib/prediction says of P, which may be the injected one's (Kwon
// et al. 2023, eq. 5), and e.
// Song et al. 2021, eq. 12, where BEFORE is 0; b, read if MULTISTEP and where BEFORE is not 0 only: what the last step left.
// P is clamped to +-CLIP where CLIP is not 0.
// steps: f32 [N, STEP_FLOATS]; z, b, next, x0: f32 [N, COUNT]; x0 = P. z is read where SIGMA is not 0 only.
// import prediction
override MULTISTEP: bool;

@group(0) @binding(3) var<storage, read> z: array<Block>;
@group(0) @binding(4) var<storage, read> before: array<Block>;
@group(0) @binding(5) var<storage, read_write> next: array<Block>;
@group(0) @binding(6) var<storage, read_write> x0: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  let weights = prediction(n);
  let clip = step_value(n, CLIP);
  let signal_next = step_value(n, SQRT_ALPHA_NEXT);
  let direction = step_value(n, DIRECTION);
  let sigma = step_value(n, SIGMA);
  let noisy = x[id];
  var clean: Block;
  let o = eps[eps_at(n, i)];
  let o_clean = eps[eps_at(n + FIRST, i)];
  var v: Block;
  for (var k = 0u; k < WIDE; k++) { // unroll
    clean[k] = clean_of(weights, noisy[k], o_clean[k]);
    if (clip > 0.0) { clean[k] = clamp(clean[k], -clip, clip); }
    v[k] = signal_next * clean[k] + direction * noise_of(weights, noisy[k], o[k]);
  }
  if (sigma != 0.0) {
    let fresh = z[id];
    for (var k = 0u; k < WIDE; k++) { v[k] += sigma * fresh[k]; } // unroll
  }
  if (MULTISTEP) {
    let factor = step_value(n, BEFORE);
    if (factor != 0.0) {
      let last = before[id];
      for (var k = 0u; k < WIDE; k++) { v[k] += factor * last[k]; } // unroll
    }
  }
  next[id] = v;
  x0[id] = clean;
}
