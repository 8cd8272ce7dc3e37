// y = act(x W^T + b) for GPUs: lib/linear describes the operands; COLUMNS % 4 == 0. Sixteen lanes share a row, so that they
// read it side by side; a workgroup does four rows x TILE_N samples.
// Dispatch (ceil(ROWS / 4), ceil(N / TILE_N), 1)
// import linear
const LANES: u32 = 64u;

var<workgroup> parts: array<f32, LANES * TILE_N>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = wg.x * 4u + local / 16u;
  let n = wg.y * TILE_N;
  let fours = COLUMNS / 4u;
  var sums: array<f32, TILE_N>;
  for (var k = local % 16u; k < fours; k += 16u) {
    let w = unpacked4(weight[min(row, ROWS - 1u) * fours + k]);
    for (var j = 0u; j < TILE_N; j++) { sums[j] += dot(w, x[min(n + j, N - 1u) * fours + k]); } // unroll
  }
  for (var j = 0u; j < TILE_N; j++) { parts[j * LANES + local] = sums[j]; } // unroll
  workgroupBarrier();
  // A lane in the first 4 TILE_N adds up one row of one sample.
  let r = wg.x * 4u + local % 4u;
  let s = n + local / 4u;
  if (local < 4u * TILE_N && r < ROWS && s < N) {
    var z = bias[r];
    for (var i = 0u; i < 16u; i++) { z += parts[local / 4u * LANES + local % 4u * 16u + i]; }
    store(z, s, r);
  }
}
