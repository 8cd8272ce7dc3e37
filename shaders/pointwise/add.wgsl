// y[n] = a[n] + b[n % B_N].   a, y: f32 [N, COUNT]; b: f32 [B_N, COUNT].
// import pointwise
override B_N: u32;             // uniform

@group(0) @binding(0) var<storage, read> a: array<Block>;
@group(0) @binding(1) var<storage, read> b: array<Block>;
@group(0) @binding(2) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  var v = a[id];
  let other = b[n % B_N * (COUNT / WIDE) + i];
  for (var k = 0u; k < WIDE; k++) { v[k] += other[k]; } // unroll
  y[id] = v;
}
