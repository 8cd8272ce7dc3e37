// The tail of group norm: what the statistics of a group make of its channels.                          Wu & He 2018
// A channel's row is (centre, scale, shift, 0), so that group norm is (v - centre) scale + shift, with
// scale = gamma / sqrt(var + EPS) and shift = beta + (centre - mean) scale. Where has_film(), gamma and beta are multiplied by
// (1 + s), and beta gains b, the scale and shift of lib/film_sizes.
// gamma, beta: f32 [C]. The shader declares them, and film_at(i), value i of the film tensor, and imports film or film_uniform.
override GROUPS: u32;          // uniform
override EPS: f32;

// (centre, centre - mean, standard deviation) of a group whose mean is pivot + offset. The centre is the mean, or the pivot
// where the mean is farther from 0 than from it: so the difference to a value rounds least, and mean 1000 with std 0.1 stays
// exact to 1e-6, whatever a compiler reorders.
fn centred(pivot: f32, offset: f32, variance: f32) -> vec3f {
  let near = abs(offset) <= abs(pivot + offset);
  return vec3f(select(pivot + offset, pivot, near), select(0.0, -offset, near), sqrt(variance + EPS));
}

// The row of channel c, of `channels`, of sample n.
fn norm_row(n: u32, c: u32, channels: u32, group: vec3f) -> vec4f {
  var scale = gamma[c];
  var shift = beta[c];
  if (has_film()) {
    let at = film_start(n) + c;
    scale *= 1.0 + film_at(at);
    shift = shift * (1.0 + film_at(at)) + film_at(at + channels);
  }
  scale /= group.z;
  return vec4f(group.x, scale, shift + group.y * scale, 0.0);
}
