// Peaks and sums of the keys of linear attention: lib/linear_keys says of what. A lane reads every CHUNKS-th block of a row;
// the first also reads the learned positions.
// A task is row and chunk. CHUNKS is at most the blocks of a row.
// import linear_attention, lanes
override MEMORY: u32 = 0u;     // uniform: learned positions
override CHUNKS: u32;          // uniform

@group(0) @binding(0) var<storage, read_write> peaks: array<vec2f>;
@group(0) @binding(1) var<storage, read> qkv: array<Block>;
@group(0) @binding(2) var<storage, read> memory: array<f32>;

fn tasks() -> u32 { return N * (HEADS * D) * CHUNKS; }

fn task(id: u32) {
  let rows = HEADS * D;
  let chunk = id % CHUNKS;
  let row = id / CHUNKS % rows;
  let n = id / (CHUNKS * rows);
  let blocks = T / WIDE;
  let start = ((n * 3u + 1u) * rows + row) * blocks;
  let learned = select(0u, MEMORY, chunk == 0u);
  let first = qkv[start + chunk];
  var peak = first[0];
  for (var i = chunk; i < blocks; i += CHUNKS) {
    let k = qkv[start + i];
    for (var j = 0u; j < WIDE; j++) { peak = max(peak, k[j]); } // unroll
  }
  for (var j = 0u; j < learned; j++) { peak = max(peak, memory[row * MEMORY + j]); }
  var total = 0.0;
  for (var i = chunk; i < blocks; i += CHUNKS) {
    let k = qkv[start + i];
    for (var j = 0u; j < WIDE; j++) { total += exp(k[j] - peak); } // unroll
  }
  for (var j = 0u; j < learned; j++) { total += exp(memory[row * MEMORY + j] - peak); }
  peaks[id] = vec2f(peak, total);
}
