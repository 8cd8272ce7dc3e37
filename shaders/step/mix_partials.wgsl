// Partial sums for mixing: partials[n, lane] = sums over the lane's elements of (u u, v v, u v, (u - v)^2), with
// u = m h and v = m h_c.   h, content, mask: see lib/mix; partials: vec4f [N, LANES].   Dispatch (LANES / 64, N, 1)
// import count, mix
override LANES: u32;           // uniform

@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = id.y;
  let blocks = COUNT / WIDE;
  var sums = vec4f();
  for (var i = id.x; i < blocks; i += LANES) {
    var u = h[n * blocks + i];
    var v = content[content_at(n, i)];
    if (MASKED) {
      let m = mask[mask_at(n, i)];
      for (var k = 0u; k < WIDE; k++) { // unroll
        u[k] *= m[k];
        v[k] *= m[k];
      }
    }
    for (var k = 0u; k < WIDE; k++) { // unroll
      let left = vec4f(u[k], v[k], u[k], u[k] - v[k]);
      let right = vec4f(u[k], v[k], v[k], u[k] - v[k]);
      sums += left * right;
    }
  }
  partials[n * LANES + id.x] = sums;
}
