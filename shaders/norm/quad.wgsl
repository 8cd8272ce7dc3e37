// norm[n, c] = (centre, scale, shift, 0), so that group norm is (v - centre) scale + shift.            Wu & He 2018
// scale = gamma / sqrt(var + EPS), shift = beta + (centre - mean) scale; with FILM gamma and beta are times (1 + s), and
// beta gains b.
// x: f32 [SAMPLES, C1, PLANE]; skip: f32 [SKIP_SAMPLES, C2, PLANE], sample n reads n % SKIP_SAMPLES; PLANE % 16 == 0;
// gamma, beta: f32 [C1 + C2]; film: f32 [FILM_SAMPLES, FILM_COLUMNS], s from column FILM_OFFSET on, then b;
// norm: vec4f [SAMPLES, C1 + C2].
//
// One dispatch instead of group_norm_partials and group_norm_finalize, for adapters with few lanes: a quad sums a whole
// group, whose planes are neighbours in memory, and its lanes add up without a barrier. Sums are taken about a pivot, the
// mean of four values of the group, so that E[x^2] - E[x]^2 never meets a large mean; the centre is chosen as in
// group_norm_finalize.
// Dispatch: 4 lanes per sample and group: x = ceil(SAMPLES GROUPS / 4).
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `id` is the same in all lanes of a quad

override SAMPLES: u32;         // uniform
override C1: u32;              // uniform
override C2: u32 = 0u;         // uniform: 0 where PARTS is 1
override SKIP_SAMPLES: u32;    // uniform
override PLANE: u32;           // uniform: H * W
override GROUPS: u32;          // uniform
override EPS: f32;
override FILM: bool;
override FILM_SAMPLES: u32;    // uniform
override FILM_COLUMNS: u32;    // uniform
override FILM_OFFSET: u32;     // uniform

const PARTS: u32 = 1u;         // 1: x alone; 2: x, then skip

@group(0) @binding(0) var<storage, read> x: array<mat4x4f>;
@group(0) @binding(1) var<storage, read> skip: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> film: array<f32>;
@group(0) @binding(5) var<storage, read_write> norm: array<vec4f>;

fn quad_sum(v: f32) -> f32 {
  let pair = v + quadSwapX(v);
  return pair + quadSwapY(pair);
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = wg.x * 4u + local / 4u;
  if (id >= SAMPLES * GROUPS) { return; }
  let lane = local % 4u;
  let n = id / GROUPS;
  let channels = C1 + C2;
  let per_group = channels / GROUPS;
  let c0 = id % GROUPS * per_group;
  let blocks = PLANE / 16u;
  let from_skip = max(c0, C1) - C1;                          // its first channel of the skip; 0 for groups within x
  let in_x = min(per_group, max(c0, C1) - c0);               // channels of this group that x has
  let x0 = (n * C1 + c0) * blocks;
  let skip0 = (n % SKIP_SAMPLES * C2 + from_skip) * blocks;

  var value = 0.0;
  if (PARTS == 1u) {
    value = x[x0][lane].x;
  } else if (in_x > 0u) {
    value = x[x0][lane].x;
  } else {
    value = skip[skip0][lane].x;
  }
  let pivot = quad_sum(value) / 4.0;
  var sum = vec4f();
  var squares = vec4f();
  for (var part = 0u; part < PARTS; part++) { // unroll
    let first = select(x0, skip0, part == 1u);
    let end = first + select(per_group - in_x, in_x, part == 0u) * blocks;
    for (var i = first + lane; i < end; i += 4u) {
      var block: mat4x4f;
      if (part == 0u) { block = x[i]; } else { block = skip[i]; }
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
  let deviation = sqrt(spread / count + EPS);
  let near = abs(offset) <= abs(pivot + offset);
  let centre = select(pivot + offset, pivot, near);
  for (var c = c0 + lane; c < c0 + per_group; c += 4u) {
    var scale = gamma[c];
    var shift = beta[c];
    if (FILM) {
      let at = (n % FILM_SAMPLES) * FILM_COLUMNS + FILM_OFFSET + c;
      scale *= 1.0 + film[at];
      shift = shift * (1.0 + film[at]) + film[at + channels];
    }
    scale /= deviation;
    norm[n * channels + c] = vec4f(centre, scale, select(shift, shift - offset * scale, near), 0.0);
  }
}
