// SiLU.
alias Value = f32;             // or a vector of them

fn silu(v: Value) -> Value {
  return v / (1.0 + exp(-max(v, Value(-80.0))));   // clamped, so that exp stays finite
}
