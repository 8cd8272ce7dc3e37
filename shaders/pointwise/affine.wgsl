// y = SCALE x + SHIFT.   x, y: f32 [N, COUNT].
// import unary
override SCALE: f32;
override SHIFT: f32;

fn f(x: f32) -> f32 { return SCALE * x + SHIFT; }
