// The statistics of a group of channels by a workgroup, for GPUs: a lane sums about its own first value, and lanes are merged
// pairwise (Chan et al. 1983). The shader declares four(at, i), four values of the group; PLANE is a multiple of 4.
// import group_affine, joined
const LANES: u32 = 256u;

var<workgroup> parts: array<vec4f, LANES>; // (pivot, mean - pivot, sum of (v - mean)^2, count)

// A group of a sample: its first channel, the number of them and of those that x has, and where x and skip begin.
struct Group {
  n: u32,
  start: u32,
  channels: u32,
  in_x: u32,
  x0: u32,
  skip0: u32,
}

fn group_at(id: u32) -> Group {
  let channels = (C1 + C2) / GROUPS;
  let n = id / GROUPS;
  let start = id % GROUPS * channels;
  let in_x = min(max(C1, start) - start, channels);
  return Group(n, start, channels, in_x, (n * C1 + start) * PLANE, (skip_start(n) + max(C1, start) - C1) * PLANE);
}

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
    var v: array<vec4f, 8>;
    for (var j = 0u; j < 8u; j++) { v[j] = four(at, i + j * LANES); } // unroll
    for (var j = 0u; j < 8u; j++) { // unroll
      let d = v[j] - pivot;
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
  let s = (sum.x + sum.y) + (sum.z + sum.w);
  let q = (squares.x + squares.y) + (squares.z + squares.w);
  let mean_d = s / max(held, 1.0);
  parts[local] = vec4f(pivot, mean_d, max(q - s * mean_d, 0.0), held);
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { parts[local] = merge(parts[local], parts[local + half]); }
  }
  workgroupBarrier();
  let all = parts[0];
  return centred(all.x, all.y, all.z / all.w);
}
