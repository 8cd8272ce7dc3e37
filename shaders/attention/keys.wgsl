// Peaks and sums of the keys of linear attention: lib/linear_keys says of what. A lane reads every CHUNKS-th block of a row;
// the first also reads the learned positions.
// A task is row and chunk. CHUNKS is at most the blocks of a row.
// import linear_qkv, linear_memory, linear_keys, lanes
@group(0) @binding(0) var<storage, read_write> peaks: array<vec2f>;

fn tasks() -> u32 { return N * rows() * CHUNKS; }

fn task(id: u32) {
  let chunk = id % CHUNKS;
  let row = id / CHUNKS % rows();
  let n = id / (CHUNKS * rows());
  let start = row_start(n, 1u, row);
  let learned = select(0u, MEMORY, chunk == 0u);
  let first = qkv[start + chunk];
  var peak = first[0];
  for (var i = chunk; i < blocks(); i += CHUNKS) {
    let k = qkv[start + i];
    for (var j = 0u; j < WIDE; j++) { peak = max(peak, k[j]); } // unroll
  }
  for (var j = 0u; j < learned; j++) { peak = max(peak, memory[row * MEMORY + j]); }
  var total = 0.0;
  for (var i = chunk; i < blocks(); i += CHUNKS) {
    let k = qkv[start + i];
    for (var j = 0u; j < WIDE; j++) { total += exp(k[j] - peak); } // unroll
  }
  for (var j = 0u; j < learned; j++) { total += exp(memory[row * MEMORY + j] - peak); }
  peaks[id] = vec2f(peak, total);
}
