// What the context needs of the keys. The shader declares peaks.
// peaks: vec2f [N, HEADS, D, CHUNKS] = (p, sum of exp(k - p)) of a chunk of the positions.
override CHUNKS: u32;          // uniform

// (p, sum of exp(k - p)) over all chunks of row z.
fn peak_of(z: u32) -> vec2f {
  var p = peaks[z * CHUNKS];
  for (var i = 1u; i < CHUNKS; i++) {
    let other = peaks[z * CHUNKS + i];
    let top = max(p.x, other.x);
    p = vec2f(top, p.y * exp(p.x - top) + other.y * exp(other.x - top));
  }
  return p;
}
