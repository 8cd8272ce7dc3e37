// Softmax of columns for GPUs: lib/softmax says of what. A workgroup does 8 columns, 32 lanes to a column. Each lane keeps HELD
// values in registers, and reads what lies beyond again.
// Tasks: BATCHES * ceil(W / 8).
// import softmax, workgroups
const HELD: u32 = 8u;
const COLUMNS: u32 = 8u;
const SHARES: u32 = 32u;
const LANES: u32 = COLUMNS * SHARES;

@group(0) @binding(0) var<storage, read_write> x: array<f32>;

var<workgroup> parts: array<f32, LANES>;

fn work(id: u32, local: u32) {
  let tiles = ceil_div(W, COLUMNS);
  if (id >= BATCHES * tiles) { return; }
  let column = id % tiles * COLUMNS + local % COLUMNS;
  let share = local / COLUMNS;
  let start = id / tiles * H * W + min(column, W - 1u);
  let mine = column < W;
  let beyond = HELD * SHARES + share;
  let scale = 1.0 / sqrt(f32(D));

  var held: array<f32, HELD>;
  for (var j = 0u; j < HELD; j++) { held[j] = x[start + min(share + j * SHARES, H - 1u) * W]; } // unroll
  var peak = held[0];
  for (var j = 1u; j < HELD; j++) { peak = max(peak, held[j]); } // unroll
  for (var i = beyond; i < H; i += SHARES) { peak = max(peak, x[start + i * W]); }
  parts[local] = peak;
  workgroupBarrier();
  for (var i = 0u; i < SHARES; i++) { peak = max(peak, parts[i * COLUMNS + local % COLUMNS]); } // unroll
  workgroupBarrier();
  var total = 0.0;
  for (var j = 0u; j < HELD; j++) { // unroll
    held[j] = exp((held[j] - peak) * scale);
    if (share + j * SHARES < H) { total += held[j]; }
  }
  for (var i = beyond; i < H; i += SHARES) {
    let e = exp((x[start + i * W] - peak) * scale);
    if (mine) { x[start + i * W] = e; }
    total += e;
  }
  parts[local] = total;
  workgroupBarrier();
  total = 0.0;
  for (var i = 0u; i < SHARES; i++) { total += parts[i * COLUMNS + local % COLUMNS]; } // unroll
  if (mine) {
    for (var j = 0u; j < HELD; j++) { // unroll
      let i = share + j * SHARES;
      if (i < H) { x[start + i * W] = held[j] / total; }
    }
    for (var i = beyond; i < H; i += SHARES) { x[start + i * W] /= total; }
  }
}
