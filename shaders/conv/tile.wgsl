// 3x3 and 1x1 convolution for GPUs, an implicit matrix product: lib/conv says of what, lib/implicit how.
// The next tiles are loaded while these are multiplied; a lane keeps ROWS x COLUMNS blocks of 4 x 4. SLICES groups of
// LANES_M x LANES_N lanes share out the depth of every tile (sliced K) and add their sums at the end.
// Tasks: ceil(OC / TILE_M) * ceil(N OH OW / TILE_N) * SPLITS.
// import implicit, tile, workgroups
const SLICES: u32 = 1u;        // divides DEPTH
const LANES: u32 = LANES_M * LANES_N * SLICES;               // a multiple of TILE_N
const W_LOADS: u32 = DEPTH * TILE_M / 4u / LANES;
const FOURS: u32 = TILE_M * TILE_N / 4u / LANES;             // that a lane stores
const INPUTS: u32 = DEPTH * TILE_M / 4u;
const TILES: u32 = INPUTS + DEPTH * TILE_N / 4u;
const SUMS: u32 = select(0u, SLICES * TILE_M * TILE_N / 4u, SLICES > 1u);

// Weights, [k][channel], and from INPUTS on inputs, [k][pixel]; at the end every slice's sums, [slice][channel][pixel].
var<workgroup> memory: array<vec4f, max(TILES, SUMS)>;

fn work(id: u32, local: u32) {
  let task = task_of(id, TILE_M, TILE_N);
  if (task.split >= SPLITS) { return; }
  let width = ceil_div(OC, 4u);                              // of the weights
  let pixel = local % TILE_N;                                // whose inputs this lane gathers
  let source = gathered(task.p0 + pixel);
  let slice = local / (LANES_M * LANES_N);
  let lane_m = local / LANES_N % LANES_M;
  let lane_n = local % LANES_N;

  var w_next: array<vec4f, W_LOADS>;
  var x_next: Inputs;
  var sums: Sums;
  for (var step = task.first; step <= task.last; step++) {    // the tiles of a step are multiplied in the round after it
    if (step > task.first) {
      workgroupBarrier();
      for (var i = 0u; i < W_LOADS; i++) { memory[local + i * LANES] = w_next[i]; } // unroll
      for (var i = 0u; i < X_LOADS; i++) { // unroll
        memory[INPUTS + (local / TILE_N + i * (LANES / TILE_N)) * (TILE_N / 4u) + pixel / 4u][pixel % 4u] = x_next[i];
      }
      workgroupBarrier();
    }
    if (step < task.last) {
      for (var i = 0u; i < W_LOADS; i++) { // unroll
        let e = local + i * LANES;
        let m = task.m0 / 4u + e % (TILE_M / 4u);
        w_next[i] = vec4f();
        if (m < width) { w_next[i] = unpacked4(w[(step * DEPTH + e / (TILE_M / 4u)) * width + m]); }
      }
      gather(&x_next, source, step, local);
    }
    if (step > task.first) {
      for (var t = 0u; t < DEPTH / SLICES; t++) {
        let k = slice * (DEPTH / SLICES) + t;
        multiply(&sums, k * (TILE_M / 4u) + lane_m, INPUTS + k * (TILE_N / 4u) + lane_n);
      }
    }
  }

  if (SLICES > 1u) {
    workgroupBarrier();
    for (var i = 0u; i < 4u * ROWS; i++) { // unroll
      for (var j = 0u; j < COLUMNS; j++) { // unroll
        let row = (i / 4u * LANES_M + lane_m) * 4u + i % 4u;
        memory[(slice * TILE_M + row) * (TILE_N / 4u) + j * LANES_N + lane_n] = sums[i][j];
      }
    }
    workgroupBarrier();
  }
  for (var u = 0u; u < FOURS; u++) { // unroll
    var row = (u % (4u * ROWS) / 4u * LANES_M + lane_m) * 4u + u % 4u;
    var column = u / (4u * ROWS) * LANES_N + lane_n;
    var four = sums[u % (4u * ROWS)][u / (4u * ROWS)];
    if (SLICES > 1u) {
      let e = local + u * LANES;
      row = e / (TILE_N / 4u);
      column = e % (TILE_N / 4u);
      four = memory[e];
      for (var s = 1u; s < SLICES; s++) { four += memory[s * (TILE_M * TILE_N / 4u) + e]; } // unroll
    }
    for (var r = 0u; r < 4u; r++) { finish(four[r], task.split, task.m0 + row, task.p0 + 4u * column + r); } // unroll
  }
}
