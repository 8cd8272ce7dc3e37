// Linear attention's answers: y[z, f, i] = sum_e context[z, e, f] exp(q[e, i]) / sum_e exp(q[e, i]) for each sample and head z.
// context: f32 [N, HEADS, D, D]; y: f32 [N, HEADS, D, T].
// A lane makes TILE rows f of WIDE positions.
// A task is tile of y.
// import linear_qkv, lanes
const TILE: u32 = 8u;          // dividing D
alias Row = array<f32, TILE>;

@group(0) @binding(0) var<storage, read_write> y: array<Block>;
@group(0) @binding(2) var<storage, read> context: array<Row>;

fn tasks() -> u32 { return N * HEADS * (D / TILE) * blocks(); }

fn task(id: u32) {
  let tiles = D / TILE;
  let i = id % blocks();
  let tile = id / blocks() % tiles;
  let z = id / (blocks() * tiles);       // n HEADS + head
  let start = row_start(z / HEADS, 0u, z % HEADS * D) + i;
  var peak = qkv[start];
  for (var e = 1u; e < D; e++) {
    let q = qkv[start + e * blocks()];
    for (var j = 0u; j < WIDE; j++) { peak[j] = max(peak[j], q[j]); } // unroll
  }
  var total: Block;
  var sums: array<Block, TILE>;
  for (var e = 0u; e < D; e++) {
    let q = qkv[start + e * blocks()];
    let row = context[(z * D + e) * tiles + tile];
    for (var j = 0u; j < WIDE; j++) { // unroll
      let w = exp(q[j] - peak[j]);
      total[j] += w;
      for (var f = 0u; f < TILE; f++) { sums[f][j] += w * row[f]; } // unroll
    }
  }
  for (var f = 0u; f < TILE; f++) { // unroll
    for (var j = 0u; j < WIDE; j++) { sums[f][j] /= total[j]; } // unroll
    y[(z * D + tile * TILE + f) * blocks() + i] = sums[f];
  }
}
