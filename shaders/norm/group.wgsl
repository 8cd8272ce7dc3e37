// norm[n, c] = (centre, scale, shift, 0), so that group norm is (v - centre) scale + shift, in one dispatch for GPUs: a
// workgroup reads one group.                                                                        Wu & He 2018
// scale = gamma / sqrt(var + EPS), shift = beta + (centre - mean) scale; with FILM gamma and beta are times (1 + s), and
// beta gains b.
// x: f32 [SAMPLES, C1, PLANE]; skip: f32 [SKIP_SAMPLES, C2, PLANE], sample n reads n % SKIP_SAMPLES; PLANE % 4 == 0.
// gamma, beta: f32 [C1 + C2]; film: f32 [FILM_SAMPLES, FILM_COLUMNS], s from column FILM_OFFSET on, then b.
// norm: vec4f [SAMPLES, C1 + C2].   Dispatch (SAMPLES GROUPS, 1, 1).
// A lane sums about its own first value; lanes are merged pairwise (Chan et al. 1983), and the centre is chosen, as in
// group_norm_finalize: mean 1000 with std 0.1 stays exact to 1e-6.
override C1: u32;              // uniform
override C2: u32;              // uniform
override SKIP_SAMPLES: u32;    // uniform
override PLANE: u32;           // uniform: H * W
override GROUPS: u32;          // uniform
override EPS: f32;
override FILM: bool;
override FILM_SAMPLES: u32;    // uniform
override FILM_COLUMNS: u32;    // uniform
override FILM_OFFSET: u32;     // uniform
const PARTS: u32 = 2u;         // 1: there is no skip
const LANES: u32 = 256u;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> skip: array<vec4f>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> film: array<f32>;
@group(0) @binding(5) var<storage, read_write> norm: array<vec4f>;

var<workgroup> parts: array<vec4f, LANES>; // (pivot, mean - pivot, sum of (v - mean)^2, count)

// Four values of the group, whose first in_x fours are in x.
fn load(x0: u32, skip0: u32, in_x: u32, i: u32) -> vec4f {
  if (PARTS == 1u || i < in_x) { return x[x0 + i]; }
  return skip[skip0 + i - in_x];
}

fn merge(a: vec4f, b: vec4f) -> vec4f {
  if (b.w == 0.0) { return a; }
  let d = (b.x - a.x) + (b.y - a.y);
  let part = b.w / (a.w + b.w);
  return vec4f(a.x, a.y + d * part, a.z + b.z + d * d * a.w * part, a.w + b.w);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) local: u32) {
  let channels = C1 + C2;
  let n = wg.x / GROUPS;
  let group = wg.x % GROUPS;
  let per_group = channels / GROUPS;
  let start = group * per_group;
  let fours = PLANE / 4u;
  let count = per_group * fours;
  let in_x = min(max(C1, start) - start, per_group) * fours; // of count; the rest are the skip's
  let x0 = (n * C1 + start) * fours;
  let skip0 = (n % SKIP_SAMPLES * C2 + max(C1, start) - C1) * fours;

  var pivot = 0.0;
  if (local < count) { pivot = load(x0, skip0, in_x, local).x; }
  var sum = vec4f();
  var squares = vec4f();
  // Eight loads on their way at once, for a group keeps few workgroups busy.
  var i = local;
  for (; i + 7u * LANES < count; i += 8u * LANES) {
    var v: array<vec4f, 8>;
    for (var j = 0u; j < 8u; j++) { // unroll
      v[j] = load(x0, skip0, in_x, i + j * LANES);
    }
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
  let deviation = sqrt(all.z / all.w + EPS);
  let near = abs(all.y) <= abs(all.x + all.y);
  let centre = select(all.x + all.y, all.x, near);
  for (var i = local; i < per_group; i += LANES) {
    let c = start + i;
    var scale = gamma[c];
    var shift = beta[c];
    if (FILM) {
      let at = (n % FILM_SAMPLES) * FILM_COLUMNS + FILM_OFFSET + c;
      scale *= 1.0 + film[at];
      shift = shift * (1.0 + film[at]) + film[at + channels];
    }
    scale /= deviation;
    norm[n * channels + c] = vec4f(centre, scale, select(shift, shift - all.y * scale, near), 0.0);
  }
}
