// The joined inputs of a pointwise kernel: block i of sample n of [x, skip]. WIDE divides the floats of either's sample.
// import joined, input
@group(0) @binding(1) var<storage, read> skip: array<Block>;

fn joined_block(n: u32, i: u32) -> Block {
  let in_x = C1 * PLANE / WIDE;
  var v: Block;
  if (i < in_x) { v = x[n * in_x + i]; } else { v = skip[skip_start(n) * PLANE / WIDE + i - in_x]; }
  return v;
}
