// Parts of the context of linear attention: lib/linear_keys describes the operands.
// parts[n, head, slice, e, f] = sum of exp(k[e, j] - p[e]) v[f, j] over the positions j of a slice; the first has the learned
// ones too. A lane makes TILE_E x TILE_F sums.
// A task is tile and slice.
// import linear_qkv, linear_memory, linear_keys, lanes
override SLICES: u32;          // uniform
const TILE_E: u32 = 4u;
const TILE_F: u32 = 8u;

@group(0) @binding(0) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<storage, read> peaks: array<vec2f>;

fn tasks() -> u32 { return N * HEADS * SLICES * (D / TILE_E * (D / TILE_F)); }

fn task(id: u32) {
  let across = D / TILE_F;
  let tiles = D / TILE_E * across;
  let f0 = id % across * TILE_F;
  let e0 = id / across % (D / TILE_E) * TILE_E;
  let slice = id / tiles % SLICES;
  let z = id / (tiles * SLICES);       // n HEADS + head
  let head = z % HEADS;
  let keys = row_start(z / HEADS, 1u, head * D + e0);
  let values = row_start(z / HEADS, 2u, head * D + f0);
  var peak: array<f32, TILE_E>;
  for (var e = 0u; e < TILE_E; e++) { peak[e] = peak_of(z * D + e0 + e).x; } // unroll
  var sums: array<array<f32, TILE_F>, TILE_E>;
  for (var i = slice; i < blocks(); i += SLICES) {
    var v: array<Block, TILE_F>;
    for (var f = 0u; f < TILE_F; f++) { v[f] = qkv[values + f * blocks() + i]; } // unroll
    for (var e = 0u; e < TILE_E; e++) { // unroll
      let k = qkv[keys + e * blocks() + i];
      for (var j = 0u; j < WIDE; j++) { // unroll
        let w = exp(k[j] - peak[e]);
        for (var f = 0u; f < TILE_F; f++) { sums[e][f] += w * v[f][j]; } // unroll
      }
    }
  }
  let learned = select(0u, MEMORY, slice == 0u);
  for (var j = 0u; j < learned; j++) {
    for (var e = 0u; e < TILE_E; e++) { // unroll
      let w = exp(memory[(head * D + e0 + e) * MEMORY + j] - peak[e]);
      for (var f = 0u; f < TILE_F; f++) { sums[e][f] += w * memory[(rows() + head * D + f0 + f) * MEMORY + j]; } // unroll
    }
  }
  let out = (z * SLICES + slice) * D * D;
  for (var e = 0u; e < TILE_E; e++) { // unroll
    for (var f = 0u; f < TILE_F; f++) { parts[out + (e0 + e) * D + f0 + f] = sums[e][f]; } // unroll
  }
}
