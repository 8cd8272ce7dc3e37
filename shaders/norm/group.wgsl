// Group norm in one dispatch for GPUs: a workgroup reads one group. lib/group_norm says what of it is written.
// x: f32 [N, C1, PLANE]; skip: f32 [SKIP_N, C2, PLANE], sample n reads n % SKIP_N; PLANE % 4 == 0.
// A lane sums about its own first value, and lanes are merged pairwise (Chan et al. 1983).
// Tasks: N GROUPS.
// import group_norm, joined, workgroups
const LANES: u32 = 256u;

@group(0) @binding(4) var<storage, read> x: array<vec4f>;
@group(0) @binding(5) var<storage, read> skip: array<vec4f>;

var<workgroup> parts: array<vec4f, LANES>; // (pivot, mean - pivot, sum of (v - mean)^2, count)

// Four values of the group, whose first in_x fours are in x.
fn load(x0: u32, skip0: u32, in_x: u32, i: u32) -> vec4f {
  var v: vec4f;
  if (!JOINED || i < in_x) { v = x[x0 + i]; } else { v = skip[skip0 + i - in_x]; }
  return v;
}

fn merge(a: vec4f, b: vec4f) -> vec4f {
  if (b.w == 0.0) { return a; }
  let d = (b.x - a.x) + (b.y - a.y);
  let part = b.w / (a.w + b.w);
  return vec4f(a.x, a.y + d * part, a.z + b.z + d * d * a.w * part, a.w + b.w);
}

fn work(id: u32, local: u32) {
  let channels = C1 + C2;
  let n = id / GROUPS;
  let per_group = channels / GROUPS;
  let start = id % GROUPS * per_group;
  let fours = PLANE / 4u;
  let count = per_group * fours;
  let in_x = min(max(C1, start) - start, per_group) * fours; // of count; the rest are the skip's
  let x0 = (n * C1 + start) * fours;
  let skip0 = (skip_start(n) + max(C1, start) - C1) * fours;

  var pivot = 0.0;
  if (local < count) { pivot = load(x0, skip0, in_x, local).x; }
  var sum = vec4f();
  var squares = vec4f();
  // Eight loads on their way at once, for a group keeps few workgroups busy.
  var i = local;
  for (; i + 7u * LANES < count; i += 8u * LANES) {
    var v: array<vec4f, 8>;
    for (var j = 0u; j < 8u; j++) { v[j] = load(x0, skip0, in_x, i + j * LANES); } // unroll
    for (var j = 0u; j < 8u; j++) { // unroll
      let d = v[j] - pivot;
      sum += d;
      squares += d * d;
    }
  }
  for (; i < count; i += LANES) {
    let d = load(x0, skip0, in_x, i) - pivot;
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
  let moments = centred(all.x, all.y, all.z / all.w);
  for (var i = local; i < per_group; i += LANES) { write_norm(n, start + i, channels, moments); }
}
