// What happens to an input value before it is used: act((v - mean) * scale + shift), (mean, scale, shift) = affine.
// import act
override NORM: bool = false;

fn prepared(v: Value, affine: vec4f) -> Value {
  var z = v;
  if (NORM) { z = (z - affine.x) * affine.y + affine.z; }
  return acted(z);
}
