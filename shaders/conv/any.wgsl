// Convolution with any kernel size, stride and zeros all round, for the few layers that are neither 3x3 nor 1x1:
// y[n, o, i, j] = bias[o] + sum over c, a, b of w[o, c, a, b] x[n, c, STRIDE i + a - PAD, STRIDE j + b - PAD].
// x: f32 [N, C, H, W]; weight: f32 [C, KERNEL, KERNEL, TILES TILE_M], output channels beyond OC are 0. lib/after says what follows
// the sums.
// A lane makes TILE_M output channels of one pixel; neighbouring lanes make neighbouring pixels.
// import store, added, window, lanes
override C: u32;               // uniform
override TILES: u32;           // uniform
const TILE_M: u32 = 16u;
alias Row = array<f32, TILE_M>;

@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read> weight: array<Row>;

fn tasks() -> u32 { return N * TILES * (OH * OW); }

fn task(id: u32) {
  let plane = OH * OW;
  let pixel = id % plane;
  let tile = id / plane % TILES;
  let n = id / (plane * TILES);
  let top = pixel / OW * STRIDE - PAD;
  let left = pixel % OW * STRIDE - PAD;
  var sums: Row;
  for (var c = 0u; c < C; c++) {
    for (var a = 0u; a < KERNEL; a++) {
      let inside = row_inside(top + a);
      let start = (n * C + c) * H * W + row_at(top + a);
      for (var b = 0u; b < KERNEL; b++) {
        let v = select(0.0, x[start + column_at(left + b)], inside && column_inside(left + b));
        let w = weight[((c * KERNEL + a) * KERNEL + b) * TILES + tile];
        for (var m = 0u; m < TILE_M; m++) { sums[m] += w[m] * v; } // unroll
      }
    }
  }
  for (var m = 0u; m < TILE_M; m++) { // unroll
    let o = tile * TILE_M + m;
    if (o < OC) { store(sums[m] + base(n, o), n, o, pixel, plane); }
  }
}
