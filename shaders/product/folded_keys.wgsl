// Keys of attention with its projections folded, one row each, and the first term of its result:
// keys[n, p, c] = x[n, c, p], or (x - mean) * scale + shift where NORM; y[n, c, p] = x[n, c, p].
// x, y: f32 [BATCHES, H, W], H channels of W pixels, both multiples of 4; norm: f32 [BATCHES, H, 4] = (mean, scale, shift, 0);
// keys: f32 [BATCHES, W, H].
// A task is a block of 4 x 4.
// import matrices, affine, lanes
alias Value = vec4f;
override NORM: bool = false;
const WG: u32 = 16u;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> norm: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> keys: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

fn tasks() -> u32 { return BATCHES * (W / 4u) * (H / 4u); }

fn task(id: u32) {
  let across = W / 4u;
  let down = H / 4u;
  let block = id / across;                                   // row of blocks, over all samples
  let j = id % across;
  var rows: array<vec4f, 4>;
  for (var i = 0u; i < 4u; i++) { // unroll
    let at = (block * 4u + i) * across + j;
    rows[i] = x[at];
    y[at] = rows[i];
    if (NORM) { rows[i] = normalised(rows[i], norm[block * 4u + i]); }
  }
  let key = (block / down * W + j * 4u) * down + block % down;
  for (var e = 0u; e < 4u; e++) { keys[key + e * down] = vec4f(rows[0][e], rows[1][e], rows[2][e], rows[3][e]); } // unroll
}
