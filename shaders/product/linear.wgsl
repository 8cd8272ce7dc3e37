// y = act(x W^T + b).   x: f32 [SAMPLES, COLUMNS]; bias: f32 [ROWS]; y: f32 [SAMPLES, ROWS];
// weight: f32, or f16 pairs, [ROWS, COLUMNS].
// Dispatch (ceil(ROWS / (64 TILE_M)), ceil(SAMPLES / TILE_N), 1)
// A lane makes TILE_M rows (64 apart) x TILE_N samples, WIDE columns at a time, loaded at once: weights are read once for
// TILE_N samples.
override SAMPLES: u32;         // uniform
override ROWS: u32;            // uniform
override COLUMNS: u32;         // uniform
override SILU: bool;
const WIDE: u32 = 16u;         // 16, 4 or 1, dividing COLUMNS; not 1 where weights are f16
const TILE_M: u32 = 4u;
const TILE_N: u32 = 2u;
const SUMS: u32 = TILE_M * TILE_N;
const PER_WORD: u32 = 1u;      // weights in a u32: 1 (f32) or 2 (f16)
const WORDS: u32 = WIDE / PER_WORD;
@group(0) @binding(0) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(1) var<storage, read> weight: array<array<u32, WORDS>>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x * 64u * TILE_M + lane;
  let n = wg.y * TILE_N;
  let blocks = COLUMNS / WIDE;
  var sums: array<f32, SUMS>;
  for (var k = 0u; k < blocks; k++) {
    var v: array<array<f32, WIDE>, TILE_N>;
    for (var j = 0u; j < TILE_N; j++) { // unroll
      v[j] = x[min(n + j, SAMPLES - 1u) * blocks + k];
    }
    for (var i = 0u; i < TILE_M; i++) { // unroll
      let words = weight[min(row + 64u * i, ROWS - 1u) * blocks + k];
      var w: array<f32, WIDE>;
      for (var c = 0u; c < WIDE; c++) { // unroll
        if (PER_WORD == 2u) { w[c] = unpack2x16float(words[c / PER_WORD])[c % 2u]; } else { w[c] = bitcast<f32>(words[c / PER_WORD]); }
      }
      for (var j = 0u; j < TILE_N; j++) { // unroll
        for (var c = 0u; c < WIDE; c++) { // unroll
          sums[i * TILE_N + j] += w[c] * v[j][c];
        }
      }
    }
  }
  for (var i = 0u; i < TILE_M; i++) { // unroll
    for (var j = 0u; j < TILE_N; j++) { // unroll
      if (row + 64u * i < ROWS && n + j < SAMPLES) {
        let z = sums[i * TILE_N + j] + bias[row + 64u * i];
        y[(n + j) * ROWS + row + 64u * i] = select(z, z / (1.0 + exp(-max(z, -80.0))), SILU);   // exp stays finite
      }
    }
  }
}
