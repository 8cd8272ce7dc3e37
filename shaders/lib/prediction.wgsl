// What the network's output o says of x: the picture P = X0_X x + X0_O o, and the noise e = EPS_X x + EPS_O o. What it says of
// the picture may be the injected output's: that of sample n + FIRST, of N (FIRST = 0), or of 2N samples (FIRST = N).
// import output
override FIRST: u32;           // uniform

// (X0_X, X0_O, EPS_X, EPS_O)
fn prediction(n: u32) -> vec4f {
  return vec4f(step_value(n, X0_X), step_value(n, X0_O), step_value(n, EPS_X), step_value(n, EPS_O));
}

fn clean_of(weights: vec4f, x: f32, o: f32) -> f32 { return weights.x * x + weights.y * o; }
fn noise_of(weights: vec4f, x: f32, o: f32) -> f32 { return weights.z * x + weights.w * o; }
