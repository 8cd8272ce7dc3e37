// Normalisation over the channels of each pixel: y = act((x - mean) r g (1 + scale) + shift) + residual.
// RMS norm: mean = 0, r = sqrt(C) / max(|x|, 1e-12); LAYER: mean and r = 1 / sqrt(var + EPS) of the pixel's channels.
// x, y: f32 [N, C, PLANE]; gamma: f32 [C]; residual: f32 [RESIDUAL_N, C, PLANE], sample n reads n % RESIDUAL_N. lib/film_sizes
// describes film.
// import samples, plane, film, act
override C: u32;               // uniform
override RESIDUAL_N: u32 = 1u; // uniform
override EPS: f32 = 1e-5;
override LAYER: bool = false;
override RESIDUAL: bool = false;

@group(0) @binding(0) var<storage, read_write> y: array<Block>;
@group(0) @binding(1) var<storage, read> x: array<Block>;
@group(0) @binding(2) var<storage, read> residual: array<Block>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> film: array<f32>;

// (factor, shift) of a channel, after the pixel's own factor.
fn affine(n: u32, c: u32) -> vec2f {
  var factor = gamma[c];
  var shift = 0.0;
  if (has_film()) {
    let row = film_start(n) + c;
    factor *= 1.0 + film[row];
    shift = film[row + C];
  }
  return vec2f(factor, shift);
}

// The pixel's factor from the sum of squares.
fn factor_of(squares: f32) -> f32 {
  if (LAYER) { return inverseSqrt(squares / f32(C) + EPS); }
  return sqrt(f32(C)) / max(sqrt(squares), 1e-12);
}
