// y = act((v - mean) scale + shift), where (mean, scale, shift) = norm[n, c] and v are the channels of x, then of skip.
// lib/joined describes x and skip. norm: vec4f [N, C1 + C2]; y: f32 [N, COUNT], COUNT = (C1 + C2) PLANE; WIDE divides PLANE.
// import pointwise, prepared, joined_blocks

@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  var v = joined_block(n, i);
  let affine = norm[n * (C1 + C2) + i / (PLANE / WIDE)];
  for (var k = 0u; k < WIDE; k++) { v[k] = prepared(v[k], affine); } // unroll
  y[id] = v;
}
