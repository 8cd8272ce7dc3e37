// y = act(x W^T + b), for GPUs.   x: f32 [SAMPLES, COLUMNS]; bias: f32 [ROWS]; y: f32 [SAMPLES, ROWS];
// weight: f32, or f16 pairs, [ROWS, COLUMNS]; COLUMNS % 4 == 0.
// Sixteen lanes share a row, so that they read it side by side; a workgroup does four rows x TILE_N samples.
// Dispatch (ceil(ROWS / 4), ceil(SAMPLES / TILE_N), 1)
override SAMPLES: u32;         // uniform
override ROWS: u32;            // uniform
override COLUMNS: u32;         // uniform
override SILU: bool;
const TILE_N: u32 = 2u;
const PER_WORD: u32 = 1u;      // weights in a u32: 1 (f32) or 2 (f16)
const LANES: u32 = 64u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<array<u32, 4u / PER_WORD>>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> parts: array<f32, LANES * TILE_N>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = wg.x * 4u + local / 16u;
  let n = wg.y * TILE_N;
  let fours = COLUMNS / 4u;
  var sums: array<f32, TILE_N>;
  for (var k = local % 16u; k < fours; k += 16u) {
    let words = weight[min(row, ROWS - 1u) * fours + k];
    var w: vec4f;
    if (PER_WORD == 2u) {
      w = vec4f(unpack2x16float(words[0]), unpack2x16float(words[1]));
    } else {
      w = bitcast<vec4f>(vec4u(words[0], words[1], words[2 % (4u / PER_WORD)], words[3 % (4u / PER_WORD)]));
    }
    for (var j = 0u; j < TILE_N; j++) { // unroll
      sums[j] += dot(w, x[min(n + j, SAMPLES - 1u) * fours + k]);
    }
  }
  for (var j = 0u; j < TILE_N; j++) { // unroll
    parts[j * LANES + local] = sums[j];
  }
  workgroupBarrier();
  // A lane in the first 4 TILE_N adds up one row of one sample.
  let r = wg.x * 4u + local % 4u;
  let s = n + local / 4u;
  if (local < 4u * TILE_N && r < ROWS && s < SAMPLES) {
    var z = bias[r];
    for (var i = 0u; i < 16u; i++) { z += parts[local / 4u * LANES + local % 4u * 16u + i]; }
    y[s * ROWS + r] = select(z, z / (1.0 + exp(-max(z, -80.0))), SILU);   // exp stays finite
  }
}
