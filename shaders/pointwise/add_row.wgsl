// y[n] = x[n] + table[labels[n]].   x, y: f32 [N, COUNT]; table: f32 [rows, COUNT]; labels: u32 [N].
// import pointwise
@group(0) @binding(0) var<storage, read> x: array<Block>;
@group(0) @binding(1) var<storage, read> table: array<Block>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  var v = x[id];
  // The only address that a tensor holds.
  let row = table[min(labels[n] * (COUNT / WIDE) + i, arrayLength(&table) - 1u)];
  for (var k = 0u; k < WIDE; k++) { v[k] += row[k]; } // unroll
  y[id] = v;
}
