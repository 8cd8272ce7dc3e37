// Group norm in one dispatch for adapters with few lanes: a quad sums a whole group, whose planes are neighbours in memory,
// and its lanes add up without a barrier. lib/group_norm says what of it is written.
// x: f32 [N, C1, PLANE]; skip: f32 [SKIP_N, C2, PLANE], sample n reads n % SKIP_N; PLANE % 16 == 0.
// Sums are taken about a pivot, the mean of four values of the group, so that E[x^2] - E[x]^2 never meets a large mean.
// import group_norm, film, joined, quad
override N: u32;               // uniform
const INPUTS: u32 = 1u + u32(JOINED);

@group(0) @binding(4) var<storage, read> x: array<mat4x4f>;
@group(0) @binding(5) var<storage, read> skip: array<mat4x4f>;

fn quad_sum(v: f32) -> f32 {
  let pair = v + quadSwapX(v);
  return pair + quadSwapY(pair);
}

fn tasks() -> u32 { return N * GROUPS; }

fn task(id: u32, lane: u32) {
  let n = id / GROUPS;
  let channels = C1 + C2;
  let per_group = channels / GROUPS;
  let c0 = id % GROUPS * per_group;
  let blocks = PLANE / 16u;
  let from_skip = max(c0, C1) - C1;                          // its first channel of the skip; 0 for groups within x
  let in_x = min(per_group, max(c0, C1) - c0);               // channels of this group that x has
  let x0 = (n * C1 + c0) * blocks;
  let skip0 = (skip_start(n) + from_skip) * blocks;

  var value = 0.0;
  if (!JOINED || in_x > 0u) { value = x[x0][lane].x; } else { value = skip[skip0][lane].x; }
  let pivot = quad_sum(value) / 4.0;
  var sum = vec4f();
  var squares = vec4f();
  for (var input = 0u; input < INPUTS; input++) { // unroll
    let first = select(x0, skip0, input == 1u);
    let end = first + select(per_group - in_x, in_x, input == 0u) * blocks;
    for (var i = first + lane; i < end; i += 4u) {
      var block: mat4x4f;
      if (input == 0u) { block = x[i]; } else { block = skip[i]; }
      let a = block[0] - pivot;
      let b = block[1] - pivot;
      let c = block[2] - pivot;
      let d = block[3] - pivot;
      sum += (a + b) + (c + d);
      squares += (a * a + b * b) + (c * c + d * d);
    }
  }
  let count = f32(per_group * PLANE);
  let total = quad_sum((sum.x + sum.y) + (sum.z + sum.w));
  let offset = total / count;                                // mean - pivot
  let spread = max(quad_sum((squares.x + squares.y) + (squares.z + squares.w)) - total * offset, 0.0);
  let moments = centred(pivot, offset, spread / count);
  for (var c = c0 + lane; c < c0 + per_group; c += 4u) { write_norm(n, c, channels, moments); }
}
