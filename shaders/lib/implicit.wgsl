// Implicit matrix products for GPUs: a workgroup computes TILE_M channels x TILE_N pixels from tiles of weights and of
// gathered input in workgroup memory. A step is one tap of DEPTH channels, so that a lane works out once where its pixel
// reads.
// w: f32, or f16 pairs, [ceil((C1 + C2) / 16), KERNEL^2, 16, OC rounded up to fours].
// import conv, added_uniform, window, splits, grid
const DEPTH: u32 = 16u;

// What a workgroup computes: its part of the channels, first row and column, and the steps from `first` on.
struct Task {
  split: u32,
  m0: u32,
  p0: u32,
  first: u32,
  last: u32,
}

// Workgroups without a task have no steps, and row and column past the edge.
fn task_of(tile: u32) -> Task {
  let tiles_m = ceil_div(OC, TILE_M);
  let tiles_n = ceil_div(N * OH * OW, TILE_N);
  let split = tile / (tiles_m * tiles_n);
  let steps = ceil_div(C1 + C2, DEPTH) * TAPS;
  return Task(
    split, tile % tiles_m * TILE_M, tile / tiles_m % tiles_n * TILE_N, split * steps / SPLITS, (split + 1u) * steps / SPLITS);
}

// What a lane reads: the weights from row m0 on, and the input of a pixel: its sample, and the source of its first tap.
struct Source {
  m0: u32,
  n: u32,
  oy: u32,
  ox: u32,
}

// A lane gathers for pixel local % TILE_N of the tile; past the last of all samples it is the last.
fn source_of(task: Task, local: u32) -> Source {
  let plane = OH * OW;
  let at = min(task.p0 + local % TILE_N, N * plane - 1u);
  return Source(task.m0, at / plane, at % plane / OW * STRIDE - PAD, at % plane % OW * STRIDE - PAD);
}

// Where that pixel reads in a step: an offset in the plane of a channel, or nothing outside the picture.
struct Tap {
  inside: bool,
  at: u32,
}

fn tap_of(pixel: Source, step: u32) -> Tap {
  let iy = pixel.oy + step % TAPS / KERNEL;
  let ix = pixel.ox + step % KERNEL;
  return Tap(row_inside(iy) && column_inside(ix), row_at(iy) + column_at(ix));
}

// Input of channel c of sample n; 0 outside. Without early returns: unrolled, they take SwiftShader minutes to compile.
fn input(n: u32, tap: Tap, c: u32) -> f32 {
  var v = 0.0;
  if (tap.inside && c < C1 + C2) {
    if (c < C1) { v = x[(n * C1 + c) * PLANE + tap.at]; } else { v = skip[(skip_start(n) + c - C1) * PLANE + tap.at]; }
    v = prepared(v, affine_at(norm_start(n) + c));
  }
  return v;
}

// What a lane loads of a step: every LANES-th four of the weights, [k][channel], and of its pixel every LANES / TILE_N-th channel;
// past the edges 0. The shader sets LANES.
const W_LOADS: u32 = (DEPTH * TILE_M / 4u + LANES - 1u) / LANES;
const X_LOADS: u32 = DEPTH * TILE_N / LANES;
struct Next {
  w: array<vec4f, W_LOADS>,
  x: array<f32, X_LOADS>,
}

fn load(next: ptr<function, Next>, source: Source, step: u32, local: u32) {
  let width = ceil_div(OC, 4u);
  for (var i = 0u; i < W_LOADS; i++) { // unroll
    let e = local + i * LANES;
    let m = source.m0 / 4u + e % (TILE_M / 4u);
    let c = step / TAPS * DEPTH + e / (TILE_M / 4u);
    var v = vec4f();
    if (e < DEPTH * TILE_M / 4u && m < width && c < ceil_div(C1 + C2, 16u) * 16u) {
      v = unpacked4(w[((c / 16u * TAPS + step % TAPS) * 16u + c % 16u) * width + m]);
    }
    (*next).w[i] = v;
  }
  let tap = tap_of(source, step);
  let c0 = step / TAPS * DEPTH + local / TILE_N;
  for (var i = 0u; i < X_LOADS; i++) { (*next).x[i] = input(source.n, tap, c0 + i * (LANES / TILE_N)); } // unroll
}
