// Standard normal noise: Philox4x32-10 (Salmon et al. 2011) with key (SEED, STREAM) and counter (i / 4, DRAW, 0, 0) makes
// four words for elements i .. i + 3 of a sample; Box & Muller 1958 makes normals of each pair.
// steps: u32 [N, STEP_FLOATS], the step rows by their bits; y: f32 [N, COUNT].   Dispatch (ceil(COUNT / 256), N, 1)
// WHERE_SIGMA: samples whose row has SIGMA = 0 are left alone. The logarithm, sine and cosine are our own (after Cephes,
// 1 to 2 ulp), so that all devices draw the same noise; |y| <= 5.77. Host twin: src/reference/noise.ts
// import count, step_row, trig
alias Scalar = u32;
override WHERE_SIGMA: bool;

@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross1 = (a >> 16u) * (b & 0xffffu);
  let cross2 = (a & 0xffffu) * (b >> 16u);
  let middle = (low >> 16u) + (cross1 & 0xffffu) + (cross2 & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (cross1 >> 16u) + (cross2 >> 16u) + (middle >> 16u);
}

fn philox(first_counter: vec4u, first_key: vec2u) -> vec4u {
  var c = first_counter;
  var key = first_key;
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(
      multiply_high(0xcd9e8d57u, c.z) ^ c.y ^ key.x, 0xcd9e8d57u * c.z,
      multiply_high(0xd2511f53u, c.x) ^ c.w ^ key.y, 0xd2511f53u * c.x);
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// v in (0, 1), normal
fn logarithm(v: f32) -> f32 {
  let bits = bitcast<u32>(v);
  var e = f32(i32(bits >> 23u) - 126);
  var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f000000u);   // [1/2, 1)
  if (m < 0.707106781186547524) {
    e -= 1.0;
    m += m;
  }
  m -= 1.0;
  var p = 7.0376836292e-2;
  p = p * m - 1.1514610310e-1;
  p = p * m + 1.1676998740e-1;
  p = p * m - 1.2420140846e-1;
  p = p * m + 1.4249322787e-1;
  p = p * m - 1.6668057665e-1;
  p = p * m + 2.0000714765e-1;
  p = p * m - 2.4999993993e-1;
  p = p * m + 3.3333331174e-1;
  let z = m * m;
  return (m + (p * m * z - e * 2.12194440e-4 - 0.5 * z)) + e * 0.693359375;   // ln 2 in two parts
}

// (cos, sin) of turn / 2^23 turns
fn unit(turn: u32) -> vec2f {
  let quadrant = (turn + 0x100000u) >> 21u;
  let r = f32(i32(turn) - i32(quadrant << 21u)) * 7.490140565847157e-7;   // 2 pi / 2^23
  let s = sine_near_0(r);
  let c = cosine_near_0(r);
  let turned = select(vec2f(c, s), vec2f(-s, c), (quadrant & 1u) == 1u);
  return select(turned, -turned, (quadrant & 2u) == 2u);
}

fn normal_pair(a: u32, b: u32) -> vec2f {
  let uniform = (f32(a >> 9u) + 0.5) * 1.1920928955078125e-7;   // 2^-23: exact, never 0 or 1
  return sqrt(-2.0 * logarithm(uniform)) * unit(b >> 9u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let first = id.x * 4u;
  if (first >= COUNT || (WHERE_SIGMA && bitcast<f32>(step_value(id.y, SIGMA)) == 0.0)) { return; }
  let key = vec2u(step_value(id.y, SEED), step_value(id.y, STREAM));
  let words = philox(vec4u(id.x, step_value(id.y, DRAW), 0u, 0u), key);
  let z = vec4f(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
  for (var k = 0u; k < 4u; k++) { // unroll
    if (first + k < COUNT) { y[id.y * COUNT + first + k] = z[k]; }
  }
}
