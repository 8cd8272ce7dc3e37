// y[n] = a[n] + b[n % B_N] or, LABELLED, b[labels[n]].   a, y: f32 [N, COUNT]; b: f32 [B_N, COUNT]; labels: u32 [N], if LABELLED.
// import pointwise
override B_N: u32 = 1u;        // uniform
override LABELLED: bool = false;

@group(0) @binding(0) var<storage, read> a: array<Block>;
@group(0) @binding(1) var<storage, read> b: array<Block>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  var at = n % B_N * (COUNT / WIDE) + i;
  // A label is the only address that a tensor holds.
  if (LABELLED) { at = min(labels[n] * (COUNT / WIDE) + i, arrayLength(&b) - 1u); }
  var v = a[id];
  let other = b[at];
  for (var k = 0u; k < WIDE; k++) { v[k] += other[k]; } // unroll
  y[id] = v;
}
