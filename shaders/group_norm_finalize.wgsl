// norm[n, c] = (mean, scale, shift, 0), so that group norm is (v - mean) scale + shift.            Wu & He 2018
// scale = gamma / sqrt(var + EPS), shift = beta; with FILM both are times (1 + s), and shift gains b.
// partials: vec4f [N, CHANNELS, LANES] = (pivot, mean - pivot, sum of (v - mean)^2, count); gamma, beta: f32 [CHANNELS];
// film: f32 [FILM_SAMPLES, FILM_COLUMNS], s from column FILM_OFFSET on, then b; norm: vec4f [N, CHANNELS].
// Dispatch (GROUPS, N, 1): one workgroup per group. Two passes over its partials; means are kept relative to the first
// pivot, and what the f32 mean loses by rounding goes into the shift: mean 1000 with std 0.1 stays exact to 1e-6.
override CHANNELS: u32;
override GROUPS: u32;
override PLANE: u32;           // H * W
override LANES: u32;
override EPS: f32;
override FILM: bool;
override FILM_SAMPLES: u32;
override FILM_COLUMNS: u32;
override FILM_OFFSET: u32;
const WG: u32 = 32u;           // power of two
@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read> film: array<f32>;
@group(0) @binding(4) var<storage, read_write> norm: array<vec4f>;
var<workgroup> part: array<f32, WG>;

fn group_sum(lane: u32, value: f32) -> f32 {
  part[lane] = value;
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) { part[lane] += part[lane + step]; }
  }
  return workgroupUniformLoad(&part[0]);   // barrier on both sides, so part is free again
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let per_group = CHANNELS / GROUPS;
  let first = wg.y * CHANNELS + wg.x * per_group;
  let count = f32(per_group * PLANE);
  let pivot = partials[first * LANES].x;
  var sum = 0.0;
  for (var i = lane; i < per_group * LANES; i += WG) {
    let p = partials[first * LANES + i];
    sum += p.w * (p.x - pivot + p.y);
  }
  let offset = group_sum(lane, sum) / count;   // mean - pivot
  sum = 0.0;
  for (var i = lane; i < per_group * LANES; i += WG) {
    let p = partials[first * LANES + i];
    let d = p.x - pivot + p.y - offset;
    sum += p.z + p.w * d * d;
  }
  let deviation = sqrt(group_sum(lane, sum) / count + EPS);
  let mean = pivot + offset;
  let lost = offset - (mean - pivot);
  for (var i = lane; i < per_group; i += WG) {
    let c = wg.x * per_group + i;
    var scale = gamma[c];
    var shift = beta[c];
    if (FILM) {
      let at = (wg.y % FILM_SAMPLES) * FILM_COLUMNS + FILM_OFFSET + c;
      scale *= 1.0 + film[at];
      shift = shift * (1.0 + film[at]) + film[at + CHANNELS];
    }
    scale /= deviation;
    norm[first + i] = vec4f(mean, scale, shift - lost * scale, 0.0);
  }
}
