// SiLU.
// import exp
alias Value = f32;             // or a vector of them: then ValueU and ValueI are, too
override SILU: bool = false;
const BUILT_IN: bool = true;   // the device's exp; false on software adapters

fn silu(v: Value) -> Value {
  if (BUILT_IN) { return v / (1.0 + exp(-max(v, Value(-80.0)))); }                         // finite, as WGSL demands
  return v / (EXP[1] + quick_exp2(v * EXP[0]));
}

// The value itself unless SILU.
fn acted(v: Value) -> Value {
  var z = v;
  if (SILU) { z = silu(z); }
  return z;
}
