// Implicit matrix products from tiles in workgroup memory, as lib/implicit and lib/tile describe. LANES is a multiple of TILE_N.
// Tasks: ceil(OC / TILE_M) * ceil(N OH OW / TILE_N) * SPLITS.
// import implicit, tile
const FOURS: u32 = TILE_M * TILE_N / 4u / LANES;             // that a lane stores
const SUMS: u32 = select(0u, SLICES * TILE_M * TILE_N / 4u, SLICES > 1u);

// The tiles; at the end every slice's sums, [slice][channel][pixel].
var<workgroup> memory: array<vec4<Element>, max(ROW_FOURS + COLUMN_FOURS, SUMS)>;

fn work(id: u32, local: u32) {
  let task = task_of(id);
  if (task.split >= SPLITS) { return; }
  var sums: Sums;
  products(&sums, source_of(task, local), task.first, task.last, local);
  if (SLICES > 1u) {
    workgroupBarrier();
    for (var i = 0u; i < 4u * ROWS; i++) { // unroll
      let start = (slice_of(local) * TILE_M + row_of(i, local)) * (TILE_N / 4u) + lane_n(local);
      for (var j = 0u; j < COLUMNS; j++) { memory[start + j * LANES_N] = vec4<Element>(sums[i][j]); } // unroll
    }
    workgroupBarrier();
  }
  for (var u = 0u; u < FOURS; u++) { // unroll
    var row = row_of(u % (4u * ROWS), local);
    var column = u / (4u * ROWS) * LANES_N + lane_n(local);
    var four = sums[u % (4u * ROWS)][u / (4u * ROWS)];
    if (SLICES > 1u) {
      let e = local + u * LANES;
      row = e / (TILE_N / 4u);
      column = e % (TILE_N / 4u);
      four = vec4f(memory[e]);
      for (var s = 1u; s < SLICES; s++) { four += vec4f(memory[s * (TILE_M * TILE_N / 4u) + e]); } // unroll
    }
    for (var r = 0u; r < 4u; r++) { finish(four[r], task.split, task.m0 + row, task.p0 + 4u * column + r); } // unroll
  }
}

fn keep(next: ptr<function, Next>, local: u32) {
  for (var i = 0u; i < W_LOADS; i++) { memory[local + i * LANES] = vec4<Element>((*next).w[i]); } // unroll
  let pixel = local % TILE_N;
  for (var i = 0u; i < X_LOADS; i++) { // unroll
    let k = local / TILE_N + i * (LANES / TILE_N);
    memory[ROW_FOURS + k * (TILE_N / 4u) + pixel / 4u][pixel % 4u] = Element((*next).x[i]);
  }
}
