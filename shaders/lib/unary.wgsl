// The frame of a kernel that replaces each value x by f(x), which the shader declares.   x, y: f32 [N, COUNT].
// import pointwise, input
@group(0) @binding(1) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  var v = x[id];
  for (var k = 0u; k < WIDE; k++) { v[k] = f(v[k]); } // unroll
  y[id] = v;
}
