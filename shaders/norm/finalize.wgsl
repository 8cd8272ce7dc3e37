// norm[n, c] = (centre, scale, shift, 0), so that group norm is (v - centre) scale + shift.            Wu & He 2018
// scale = gamma / sqrt(var + EPS), shift = beta + (centre - mean) scale; with FILM gamma and beta are times (1 + s), and
// beta gains b.
// partials: vec4f [N, CHANNELS, LANES] = (pivot, mean - pivot, sum of (v - mean)^2, count); gamma, beta: f32 [CHANNELS];
// film: f32 [FILM_SAMPLES, FILM_COLUMNS], s from column FILM_OFFSET on, then b; norm: vec4f [N, CHANNELS].
// Dispatch (ceil(N GROUPS / 4), 1, 1): one lane per group, four a workgroup; trees with barriers cost more than they save,
// 900 us against 23 for 32 groups on the software adapter. Partials are merged pairwise (Chan et al. 1983); means are
// kept relative to the first pivot. The centre is the mean, or the pivot where the mean is farther from 0 than from it: so
// the difference to a value rounds least, and mean 1000 with std 0.1 stays exact to 1e-6, whatever a compiler reorders.
override SAMPLES: u32;         // uniform: N
override CHANNELS: u32;        // uniform
override GROUPS: u32;          // uniform
override LANES: u32;           // uniform
override EPS: f32;
override FILM: bool;
override FILM_SAMPLES: u32;    // uniform
override FILM_COLUMNS: u32;    // uniform
override FILM_OFFSET: u32;     // uniform
@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read> film: array<f32>;
@group(0) @binding(4) var<storage, read_write> norm: array<vec4f>;

@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = id.x / GROUPS;
  if (n >= SAMPLES) { return; }
  let group = id.x % GROUPS;
  let per_group = CHANNELS / GROUPS;
  let first = n * CHANNELS + group * per_group;
  var p = partials[first * LANES];
  let pivot = p.x;
  var offset = p.y;            // mean - pivot
  var squares = p.z;
  var count = p.w;
  for (var i = 1u; i < per_group * LANES; i++) {
    p = partials[first * LANES + i];
    let d = (p.x - pivot) + (p.y - offset);
    let part = p.w / (count + p.w);
    offset += d * part;
    squares += p.z + d * d * count * part;
    count += p.w;
  }
  let deviation = sqrt(squares / count + EPS);
  let near = abs(offset) <= abs(pivot + offset);
  let centre = select(pivot + offset, pivot, near);
  for (var i = 0u; i < per_group; i++) {
    let c = group * per_group + i;
    var scale = gamma[c];
    var shift = beta[c];
    if (FILM) {
      let at = (n % FILM_SAMPLES) * FILM_COLUMNS + FILM_OFFSET + c;
      scale *= 1.0 + film[at];
      shift = shift * (1.0 + film[at]) + film[at + CHANNELS];
    }
    scale /= deviation;
    norm[first + i] = vec4f(centre, scale, select(shift, shift - offset * scale, near), 0.0);
  }
}
