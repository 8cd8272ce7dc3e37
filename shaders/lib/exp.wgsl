// 2^t for software adapters, faster than theirs: 2^floor(t) 2^f with f = t - floor(t), the second by a polynomial (minimax,
// 7.5e-8 off). Beyond -124 and 124, t counts as these, and NaN as one of them.
// Constants are read from private memory, where they are operands. In the code each takes an instruction of its own, and this
// is no faster than `exp`.
alias Value = f32;             // or a vector of them
alias ValueU = u32;            // as many u32
alias ValueI = i32;            // as many i32

var<private> POWERS: array<f32, 6> = array<f32, 6>(            // of f, from 0 on
  0.99999994, 0.693153083, 0.240153611, 0.0558263175, 0.00898933969, 0.00187757669);
var<private> EXP: array<f32, 3> = array<f32, 3>(-1.44269504, 1.0, 12582912.0);     // -log2(e); 1; 1.5 2^23, which has no bits behind the point
var<private> EXP_BITS: array<u32, 4> = array<u32, 4>(0x7fffffffu, 0x42f80000u, 0x80000000u, 0x00800000u);    // size, 124.0, sign, 2^23

fn quick_exp2(t: Value) -> Value {
  let bits = bitcast<ValueU>(t);
  let size = min(bitcast<ValueI>(bits & ValueU(EXP_BITS[0])), ValueI(i32(EXP_BITS[1])));   // bits are in the order of sizes
  let clamped = bitcast<Value>(bitcast<ValueU>(size) | (bits & ValueU(EXP_BITS[2])));
  let whole = floor(clamped);
  let f = clamped - whole;
  let power = ((((POWERS[5] * f + POWERS[4]) * f + POWERS[3]) * f + POWERS[2]) * f + POWERS[1]) * f + POWERS[0];
  return bitcast<Value>(bitcast<ValueU>(power) + bitcast<ValueU>(whole + EXP[2]) * EXP_BITS[3]);   // `whole` into the exponent
}
