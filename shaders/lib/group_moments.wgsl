// The statistics of a group of channels by a workgroup, for GPUs: a lane sums about its own first value, and lanes are merged
// pairwise (Chan et al. 1983). The shader declares four(at, i), four values of the group; PLANE is a multiple of 4.
// import joined_group, partial
const LANES: u32 = 256u;

var<workgroup> parts: array<vec4f, LANES>;

fn merge(a: vec4f, b: vec4f) -> vec4f {
  if (b.w == 0.0) { return a; }
  let d = (b.x - a.x) + (b.y - a.y);
  let part = b.w / (a.w + b.w);
  return vec4f(a.x, a.y + d * part, a.z + b.z + d * d * a.w * part, a.w + b.w);
}

// (centre, centre - mean, standard deviation), as `centred` has them.
fn moments_of(at: Group, local: u32) -> vec3f {
  let count = at.channels * (PLANE / 4u);
  var pivot = 0.0;
  if (local < count) { pivot = four(at, local).x; }
  var sum = vec4f();
  var squares = vec4f();
  // Eight loads on their way at once, for a group keeps few workgroups busy.
  var i = local;
  for (; i + 7u * LANES < count; i += 8u * LANES) {
    var fours: array<vec4f, 8>;
    for (var j = 0u; j < 8u; j++) { fours[j] = four(at, i + j * LANES); } // unroll
    for (var j = 0u; j < 8u; j++) { // unroll
      let d = fours[j] - pivot;
      sum += d;
      squares += d * d;
    }
  }
  for (; i < count; i += LANES) {
    let d = four(at, i) - pivot;
    sum += d;
    squares += d * d;
  }
  let held = f32(4u * ((count + LANES - 1u - local) / LANES));
  parts[local] = partial(pivot, sum, squares, held);
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { parts[local] = merge(parts[local], parts[local + half]); }
  }
  workgroupBarrier();
  let all = parts[0];
  return centred(all.x, all.y, all.z / all.w);
}
