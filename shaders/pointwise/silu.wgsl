// y = x / (1 + exp(-x)).   x, y: f32 [N, COUNT].
// import unary, act
alias Value = f32;

fn f(x: f32) -> f32 { return silu(x); }
