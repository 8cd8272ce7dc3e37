// y = f(x), f by KIND: 0 x / (1 + exp(-x)) (SiLU), 1 x tanh(ln(1 + exp x)) (Mish), 2 x (1 + erf(x / sqrt 2)) / 2 (GELU),
// 3 max(x, 0) (ReLU).   x, y: f32 [N, COUNT].
// import unary, act
override KIND: u32;

// erf(v) by two minimax polynomials, within 1 to 2 ulp: around 0, and of ln(1 - erf |v|) beyond 0.92.
fn error_function(v: f32) -> f32 {
  let t = abs(v);
  let s = v * v;
  var far = -1.72853470e-5 * t + 3.83197126e-4;
  far = far * s + (-3.88396438e-3 * t + 2.42546219e-2);
  far = far * t - 1.06777877e-1;
  far = far * t - 6.34846687e-1;
  far = far * t - 1.28717512e-1;
  far = sign(v) * (1.0 - exp(max(far * t - t, -80.0)));
  var near = -5.96761703e-4;
  near = near * s + 4.99119423e-3;
  near = near * s - 2.67681349e-2;
  near = near * s + 1.12819925e-1;
  near = near * s - 3.76125336e-1;
  near = near * s + 1.28379166e-1;
  return select(near * v + v, far, t > 0.921875);
}

fn f(v: f32) -> f32 {
  switch KIND {
    case 1u: {
      let e = exp(min(v, 20.0));   // tanh(ln(1 + e)) = e (e + 2) / (e (e + 2) + 2), 1 beyond 20
      let p = e * (e + 2.0);
      return v * p / (p + 2.0);
    }
    case 2u: { return 0.5 * v * (1.0 + error_function(v * 0.7071067811865476)); }
    case 3u: { return max(v, 0.0); }
    default: { return silu(v); }
  }
}
