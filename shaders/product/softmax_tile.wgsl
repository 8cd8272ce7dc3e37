// x[z, :, i] = softmax(x[z, :, i] / sqrt(D)) in place, with the column's maximum subtracted: softmax_columns for GPUs.
// x: f32 [BATCHES, HEIGHT, WIDTH].   A workgroup does 8 columns, 32 lanes to a column, of which each keeps HELD values in
// registers and reads what lies beyond again.
// Dispatch: x = BATCHES * ceil(WIDTH / 8), folded into two dimensions.
override BATCHES: u32;         // uniform
override HEIGHT: u32;          // uniform
override WIDTH: u32;           // uniform
override D: u32;               // uniform
const HELD: u32 = 8u;
const COLUMNS: u32 = 8u;
const SHARES: u32 = 32u;

@group(0) @binding(0) var<storage, read_write> x: array<f32>;

var<workgroup> parts: array<f32, COLUMNS * SHARES>;

@compute @workgroup_size(COLUMNS * SHARES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let tiles = (WIDTH + COLUMNS - 1u) / COLUMNS;
  let tile = wg.y * grid.x + wg.x;
  if (tile >= BATCHES * tiles) { return; }
  let column = tile % tiles * COLUMNS + local % COLUMNS;
  let share = local / COLUMNS;
  let start = tile / tiles * HEIGHT * WIDTH + min(column, WIDTH - 1u);
  let mine = column < WIDTH;
  let beyond = HELD * SHARES + share;
  let scale = 1.0 / sqrt(f32(D));

  var held: array<f32, HELD>;
  for (var j = 0u; j < HELD; j++) { // unroll
    held[j] = x[start + min(share + j * SHARES, HEIGHT - 1u) * WIDTH];
  }
  var peak = held[0];
  for (var j = 1u; j < HELD; j++) { // unroll
    peak = max(peak, held[j]);
  }
  for (var i = beyond; i < HEIGHT; i += SHARES) { peak = max(peak, x[start + i * WIDTH]); }
  parts[local] = peak;
  workgroupBarrier();
  for (var i = 0u; i < SHARES; i++) { // unroll
    peak = max(peak, parts[i * COLUMNS + local % COLUMNS]);
  }
  workgroupBarrier();
  var total = 0.0;
  for (var j = 0u; j < HELD; j++) { // unroll
    held[j] = exp((held[j] - peak) * scale);
    if (share + j * SHARES < HEIGHT) { total += held[j]; }
  }
  for (var i = beyond; i < HEIGHT; i += SHARES) {
    let e = exp((x[start + i * WIDTH] - peak) * scale);
    if (mine) { x[start + i * WIDTH] = e; }
    total += e;
  }
  parts[local] = total;
  workgroupBarrier();
  total = 0.0;
  for (var i = 0u; i < SHARES; i++) { // unroll
    total += parts[i * COLUMNS + local % COLUMNS];
  }
  if (mine) {
    for (var j = 0u; j < HELD; j++) { // unroll
      let i = share + j * SHARES;
      if (i < HEIGHT) { x[start + i * WIDTH] = held[j] / total; }
    }
    for (var i = beyond; i < HEIGHT; i += SHARES) { x[start + i * WIDTH] /= total; }
  }
}
