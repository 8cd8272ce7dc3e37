// y = SCALE x + SHIFT.   x, y: f32 [N, COUNT].
// import pointwise
override SCALE: f32;
override SHIFT: f32;

@group(0) @binding(0) var<storage, read> x: array<Block>;
@group(0) @binding(1) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  var v = x[id];
  for (var k = 0u; k < WIDE; k++) { // unroll
    v[k] = SCALE * v[k] + SHIFT;
  }
  y[id] = v;
}
