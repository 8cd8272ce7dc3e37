// y = act((v - mean) scale + shift), where (mean, scale, shift) = norm[n, c] and v are the channels of x, then of skip.
// x: f32 [N, C1, PLANE]; skip: f32 [SKIP_N, C2, PLANE], sample n reads n % SKIP_N; norm: vec4f [N, C1 + C2];
// y: f32 [N, COUNT], COUNT = (C1 + C2) PLANE; WIDE divides PLANE.
// import pointwise, prepared, joined

@group(0) @binding(0) var<storage, read> x: array<Block>;
@group(0) @binding(1) var<storage, read> skip: array<Block>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  let in_plane = PLANE / WIDE;
  let in_x = C1 * in_plane;
  var v: Block;
  if (i < in_x) { v = x[n * in_x + i]; } else { v = skip[skip_start(n) * in_plane + i - in_x]; }
  let affine = norm[n * (C1 + C2) + i / in_plane];
  for (var k = 0u; k < WIDE; k++) { v[k] = prepared(v[k], affine); } // unroll
  y[id] = v;
}
