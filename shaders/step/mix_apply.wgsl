// y = (1 - m) h + m (a h + b h_c), (a, b) = weights[n]; h itself, to the bit, where that is a = 1, b = 0 or m = 0.
// h, content, mask: see lib/mix; weights: vec2f [N] of step/mix_weights; y: f32 [N, COUNT].
// import pointwise, mix
@group(0) @binding(3) var<storage, read> weights: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> y: array<Block>;

fn mixed(u: f32, v: f32, a: f32, b: f32) -> f32 { return select(a * u + b * v, u, a == 1.0 && b == 0.0); }

fn each(n: u32, i: u32, id: u32) {
  let ab = weights[n];
  var v = h[id];
  let c = content[content_at(n, i)];
  if (MASKED) {
    let m = mask[mask_at(n, i)];
    for (var k = 0u; k < WIDE; k++) { v[k] = mixed(v[k], c[k], (1.0 - m[k]) + m[k] * ab.x, m[k] * ab.y); } // unroll
  } else {
    for (var k = 0u; k < WIDE; k++) { v[k] = mixed(v[k], c[k], ab.x, ab.y); } // unroll
  }
  y[id] = v;
}
