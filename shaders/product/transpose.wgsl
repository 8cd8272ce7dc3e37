// y[z, j, i] = x[z, i, j]
// x: f32 [H, W] at START + z / INNER * OUTER + z % INNER * X_INNER; y: f32 [BATCHES, W, H].
// H and W are multiples of 4, and starts and strides count fours.
// A task is a block of 4 x 4.
// import matrices, lanes
const WG: u32 = 16u;
override START: u32 = 0u;      // uniform
override INNER: u32 = 1u;      // uniform
override OUTER: u32 = 0u;      // uniform
override X_INNER: u32 = 0u;    // uniform

@group(0) @binding(0) var<storage, read> x: array<array<f32, 4>>;
@group(0) @binding(1) var<storage, read_write> y: array<array<f32, 4>>;

fn tasks() -> u32 { return BATCHES * (W / 4u) * (H / 4u); }

fn task(id: u32) {
  let across = W / 4u;
  let down = H / 4u;
  let z = id / (across * down);
  let i = id / across % down;                                // row of blocks of x
  let j = id % across;
  let x_at = START + z / INNER * OUTER + z % INNER * X_INNER + i * 4u * across + j;
  let y_at = (z * W + j * 4u) * down + i;
  let row0 = x[x_at];
  let row1 = x[x_at + across];
  let row2 = x[x_at + 2u * across];
  let row3 = x[x_at + 3u * across];
  for (var e = 0u; e < 4u; e++) { y[y_at + e * down] = array(row0[e], row1[e], row2[e], row3[e]); } // unroll
}
