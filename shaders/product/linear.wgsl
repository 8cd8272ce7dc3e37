// y = act(x W^T + b): lib/linear describes the operands. A lane makes TILE_M rows (64 apart) x TILE_N samples, WIDE columns at
// a time, loaded at once (WIDE is not 1 where weights are f16): weights are read once for TILE_N samples.
// Dispatch (ceil(ROWS / (64 TILE_M)), ceil(N / TILE_N), 1)
// import linear, blocks
alias Input = array<f32, WIDE>;
alias Words = array<u32, WORDS>;
const TILE_M: u32 = 2u;
const SUMS: u32 = TILE_M * TILE_N;
const WORDS: u32 = WIDE / PER_WORD;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = wg.x * 64u * TILE_M + local;
  let n = wg.y * TILE_N;
  let blocks = COLUMNS / WIDE;
  var sums: array<f32, SUMS>;
  for (var k = 0u; k < blocks; k++) {
    var v: array<array<f32, WIDE>, TILE_N>;
    for (var j = 0u; j < TILE_N; j++) { v[j] = x[min(n + j, N - 1u) * blocks + k]; } // unroll
    for (var i = 0u; i < TILE_M; i++) { // unroll
      let words = weight[min(row + 64u * i, ROWS - 1u) * blocks + k];
      var w: array<f32, WIDE>;
      for (var c = 0u; c < WIDE; c++) { w[c] = unpacked(words[c / PER_WORD], c); } // unroll
      for (var j = 0u; j < TILE_N; j++) { // unroll
        for (var c = 0u; c < WIDE; c++) { sums[i * TILE_N + j] += w[c] * v[j][c]; } // unroll
      }
    }
  }
  for (var i = 0u; i < TILE_M; i++) { // unroll
    for (var j = 0u; j < TILE_N; j++) { // unroll
      if (row + 64u * i < ROWS && n + j < N) { store(sums[i * TILE_N + j] + bias[row + 64u * i], n + j, row + 64u * i); }
    }
  }
}
