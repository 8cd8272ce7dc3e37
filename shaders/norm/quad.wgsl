// Group norm in one dispatch for adapters with few lanes: a quad sums a whole group, whose planes are neighbours in memory,
// and its lanes add up without a barrier. lib/group_norm says what of it is written.
// lib/joined describes x and skip; PLANE % 16 == 0.
// Sums are taken about a pivot, the mean of four values of the group, so that E[x^2] - E[x]^2 never meets a large mean.
// import group_norm, film, joined_group, quad
const INPUTS: u32 = 1u + u32(JOINED);

@group(0) @binding(4) var<storage, read> x: array<mat4x4f>;
@group(0) @binding(5) var<storage, read> skip: array<mat4x4f>;

fn quad_sum(v: f32) -> f32 {
  let pair = v + quadSwapX(v);
  return pair + quadSwapY(pair);
}

fn task(id: u32, lane: u32) {
  let at = group_at(id);
  let x0 = at.x0 / 16u;
  let skip0 = at.skip0 / 16u;

  var value = 0.0;
  if (!JOINED || at.in_x > 0u) { value = x[x0][lane].x; } else { value = skip[skip0][lane].x; }
  let pivot = quad_sum(value) / 4.0;
  var sum = vec4f();
  var squares = vec4f();
  for (var input = 0u; input < INPUTS; input++) { // unroll
    let first = select(x0, skip0, input == 1u);
    let end = first + select(at.channels - at.in_x, at.in_x, input == 0u) * (PLANE / 16u);
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
  let count = f32(at.channels * PLANE);
  let total = quad_sum((sum.x + sum.y) + (sum.z + sum.w));
  let offset = total / count;                                // mean - pivot
  let spread = max(quad_sum((squares.x + squares.y) + (squares.z + squares.w)) - total * offset, 0.0);
  let moments = centred(pivot, offset, spread / count);
  for (var c = lane; c < at.channels; c += 4u) { write_norm(at.n, at.start + c, C1 + C2, moments); }
}
