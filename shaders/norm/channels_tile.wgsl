// Normalisation over channels for GPUs: lib/channel_norm says of what. A workgroup does PIXELS pixels of one sample; SLICES
// lanes share the channels of a pixel.
// Tasks: N * ceil(PLANE / PIXELS).
// import channel_norm, group_sum
const PIXELS: u32 = 32u;
const SLICES: u32 = 8u;        // a power of two
const LANES: u32 = PIXELS * SLICES;
const COLUMNS: u32 = PIXELS;
alias Block = f32;

fn work(id: u32, local: u32) {
  let tiles = ceil_div(PLANE, PIXELS);
  if (id >= N * tiles) { return; }
  let n = id / tiles;
  let pixel = id % tiles * PIXELS + local % PIXELS;
  let slice = local / PIXELS;
  let mine = pixel < PLANE;
  let inside = min(pixel, PLANE - 1u);
  let start = n * C * PLANE + inside;
  var mean = 0.0;
  if (LAYER) {
    var sum = 0.0;
    for (var c = slice; c < C; c += SLICES) { sum += x[start + c * PLANE]; }
    mean = group_sum(local, sum) / f32(C);
  }
  var squares = 0.0;
  for (var c = slice; c < C; c += SLICES) {
    let d = x[start + c * PLANE] - mean;
    squares += d * d;
  }
  let factor = factor_of(group_sum(local, squares));
  if (mine) {
    for (var c = slice; c < C; c += SLICES) {
      let a = affine(n, c);
      var v = acted((x[start + c * PLANE] - mean) * factor * a.x + a.y);
      if (RESIDUAL) { v += residual[((n % RESIDUAL_N) * C + c) * PLANE + inside]; }
      y[start + c * PLANE] = v;
    }
  }
}
