// Convolutions, 3x3 and 1x1, of [x, skip] joined on channels:
// sum[n, o, p] = sum_{c, dy, dx} w[o, c, dy, dx] in[n, c, STRIDE p + (dy, dx) - PAD], with
// in = act((v - mean) * scale + shift), optionally enlarged x2 (nearest) first; 0 outside. lib/after says what follows.
// x: f32 [N, C1, H, W]; skip, where JOINED: f32 [SKIP_N, C2, H, W]; norm: f32 [NORM_N, C1 + C2, 4] = (mean, scale, shift, 0).
// Tensors with fewer samples than y are read modulo theirs.
// import joined, after, prepared, half
alias In = f32;                // element of x and skip
alias Words = Four;            // of w: says how the weights are packed
override NORM_N: u32 = 1u;     // uniform

@group(0) @binding(4) var<storage, read> x: array<In>;
@group(0) @binding(5) var<storage, read> skip: array<In>;
@group(0) @binding(6) var<storage, read> norm: array<vec4f>;
@group(0) @binding(7) var<storage, read> w: array<Words>;

// Rows of norm before sample n.
fn norm_start(n: u32) -> u32 { return n % NORM_N * (C1 + C2); }

// Row i of norm, where there is one.
fn affine_at(i: u32) -> vec4f {
  if (NORM) { return norm[i]; }
  return vec4f();
}
