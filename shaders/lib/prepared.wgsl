// What happens to an input value before it is used: it is normalised where NORM, then SiLU is applied where SILU.
// import affine, act
override NORM: bool = false;

fn prepared(v: Value, affine: vec4f) -> Value {
  var z = v;
  if (NORM) { z = normalised(z, affine); }
  return acted(z);
}
