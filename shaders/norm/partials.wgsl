// Partial sums for group norm and for moments: every lane sums over its share of one channel's plane, about its own first
// value (the pivot), so that E[x^2] - E[x]^2 never meets a large mean.
// lib/partial says what it writes; a lane without elements writes zeros.
// lib/joined describes x and skip. partials: vec4f [N, C1 + C2, LANES].
// import samples, joined_blocks, partial, lanes
override LANES: u32;           // uniform: of a channel
const SUMS: u32 = min(WIDE, 4u);

@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;

fn tasks() -> u32 { return N * (C1 + C2) * LANES; }

fn task(id: u32) {
  let lane = id % LANES;
  let c = id / LANES % (C1 + C2);
  let n = id / (LANES * (C1 + C2));
  let blocks = PLANE / WIDE;
  let in_x = c < C1;
  let base = select((skip_start(n) + max(c, C1) - C1) * blocks, (n * C1 + c) * blocks, in_x);
  let first = base + min(lane, blocks - 1u);
  var pivot = 0.0;
  if (in_x) { pivot = x[first][0]; } else { pivot = skip[first][0]; }
  var sum = vec4f();
  var squares = vec4f();
  var count = 0.0;
  for (var i = lane; i < blocks; i += LANES) {
    var block: Block;
    if (in_x) { block = x[base + i]; } else { block = skip[base + i]; }
    for (var k = 0u; k < WIDE; k++) { // unroll
      let d = block[k] - pivot;
      sum[k % SUMS] += d;
      squares[k % SUMS] += d * d;
    }
    count += f32(WIDE);
  }
  partials[id] = partial(select(0.0, pivot, lane < blocks), sum, squares, count);
}
