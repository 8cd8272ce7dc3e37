// SiLU.
alias Value = f32;             // or a vector of them
override SILU: bool = false;
const CLAMPED: bool = true;    // exp stays finite, as WGSL demands; the software adapter's infinities are those of IEEE 754

fn silu(v: Value) -> Value {
  if (CLAMPED) { return v / (1.0 + exp(-max(v, Value(-80.0)))); }
  return v / (1.0 + exp(-v));
}

// The value itself unless SILU.
fn acted(v: Value) -> Value {
  var z = v;
  if (SILU) { z = silu(z); }
  return z;
}
