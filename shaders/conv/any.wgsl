// Convolution with any kernel size, stride and zeros all round, for the few layers that are neither 3x3 nor 1x1:
// y[n, o, i, j] = bias[o] + sum over c, a, b of w[o, c, a, b] x[n, c, STRIDE i + a - PAD, STRIDE j + b - PAD].
// x: f32 [N, C, H, W]; weight: f32 [C, KERNEL, KERNEL, TILES TILE_M], output channels beyond OC are 0; y: f32 [N, OC, OH, OW].
// A lane makes TILE_M output channels of one pixel; neighbouring lanes make neighbouring pixels.
// import lanes
override N: u32;               // uniform
override C: u32;               // uniform
override OC: u32;              // uniform
override H: u32;               // uniform
override W: u32;               // uniform
override OH: u32;              // uniform
override OW: u32;              // uniform
override TILES: u32;           // uniform
override KERNEL: u32;
override STRIDE: u32;
override PAD: u32;
const TILE_M: u32 = 16u;
alias Row = array<f32, TILE_M>;

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<Row>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;

fn tasks() -> u32 { return N * TILES * (OH * OW); }

fn task(id: u32) {
  let plane = OH * OW;
  let pixel = id % plane;
  let tile = id / plane % TILES;
  let n = id / (plane * TILES);
  let top = i32(pixel / OW * STRIDE) - i32(PAD);
  let left = i32(pixel % OW * STRIDE) - i32(PAD);
  var sums: Row;
  for (var c = 0u; c < C; c++) {
    for (var a = 0u; a < KERNEL; a++) {
      let row = top + i32(a);
      let row_inside = row >= 0 && row < i32(H);
      let row_at = ((n * C + c) * H + u32(clamp(row, 0, i32(H) - 1))) * W;
      for (var b = 0u; b < KERNEL; b++) {
        let column = left + i32(b);
        let inside = row_inside && column >= 0 && column < i32(W);
        let v = select(0.0, x[row_at + u32(clamp(column, 0, i32(W) - 1))], inside);
        let w = weight[((c * KERNEL + a) * KERNEL + b) * TILES + tile];
        for (var m = 0u; m < TILE_M; m++) { sums[m] += w[m] * v; } // unroll
      }
    }
  }
  for (var m = 0u; m < TILE_M; m++) { // unroll
    let o = tile * TILE_M + m;
    if (o < OC) { y[(n * OC + o) * plane + pixel] = sums[m] + bias[o]; }
  }
}
