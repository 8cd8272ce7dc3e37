// Linear attention's answers: y[z, f, i] = sum_e context[z, e, f] exp(q[e, i]) / sum_e exp(q[e, i]) for each sample and head z.
// lib/linear_attention describes qkv. context: f32 [N, HEADS, D, D]; y: f32 [N, HEADS, D, T].
// A lane makes TILE rows f of WIDE positions.
// Dispatch: a lane per tile of y, 64 a workgroup, folded into x and y.
// import linear_attention, grid
const TILE: u32 = 8u;          // dividing D
alias Row = array<f32, TILE>;

@group(0) @binding(0) var<storage, read_write> y: array<Block>;
@group(0) @binding(1) var<storage, read> qkv: array<Block>;
@group(0) @binding(2) var<storage, read> context: array<Row>;

@compute @workgroup_size(64)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let id = flat(at) * 64u + local;
  let blocks = T / WIDE;
  let tiles = D / TILE;
  if (id >= N * HEADS * tiles * blocks) { return; }
  let i = id % blocks;
  let tile = id / blocks % tiles;
  let z = id / (blocks * tiles);       // n HEADS + head
  let start = (z / HEADS * 3u * HEADS + z % HEADS) * D * blocks + i;
  var peak = qkv[start];
  for (var e = 1u; e < D; e++) {
    let q = qkv[start + e * blocks];
    for (var j = 0u; j < WIDE; j++) { // unroll
      peak[j] = max(peak[j], q[j]);
    }
  }
  var total: Block;
  var sums: array<Block, TILE>;
  for (var e = 0u; e < D; e++) {
    let q = qkv[start + e * blocks];
    let row = context[(z * D + e) * tiles + tile];
    for (var j = 0u; j < WIDE; j++) { // unroll
      let w = exp(q[j] - peak[j]);
      total[j] += w;
      for (var f = 0u; f < TILE; f++) { // unroll
        sums[f][j] += w * row[f];
      }
    }
  }
  for (var f = 0u; f < TILE; f++) { // unroll
    for (var j = 0u; j < WIDE; j++) { // unroll
      sums[f][j] /= total[j];
    }
    y[(z * D + tile * TILE + f) * blocks + i] = sums[f];
  }
}
