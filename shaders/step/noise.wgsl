// Standard normal noise: Philox4x32-10 (Salmon et al. 2011) with key (SEED, STREAM) and counter (i / 4, DRAW, 0, 0) makes
// four words for elements i .. i + 3 of a sample; Box & Muller 1958 makes normals of each pair.
// steps: u32 [N, 32], the step rows by their bits; y: f32 [N, COUNT].   Dispatch (ceil(COUNT / 256), N, 1)
// WHERE_SIGMA: samples whose row has SIGMA = 0 are left alone. The logarithm, sine and cosine are our own (after Cephes,
// 1 to 2 ulp), so that all devices draw the same noise; |y| <= 5.77. Host twin: src/reference/noise.ts
override COUNT: u32;           // uniform
override WHERE_SIGMA: bool;
const SIGMA = 5u;
const SEED = 8u;
const STREAM = 9u;
const DRAW = 10u;
@group(0) @binding(0) var<storage, read> steps: array<u32>;
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
  let z = r * r;
  let s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  let c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  let turned = select(vec2f(c, s), vec2f(-s, c), (quadrant & 1u) == 1u);
  return select(turned, -turned, (quadrant & 2u) == 2u);
}

fn normal_pair(a: u32, b: u32) -> vec2f {
  let uniform = (f32(a >> 9u) + 0.5) * 1.1920928955078125e-7;   // 2^-23: exact, never 0 or 1
  return sqrt(-2.0 * logarithm(uniform)) * unit(b >> 9u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * 32u;
  let first = id.x * 4u;
  if (first >= COUNT || (WHERE_SIGMA && bitcast<f32>(steps[row + SIGMA]) == 0.0)) { return; }
  let words = philox(vec4u(id.x, steps[row + DRAW], 0u, 0u), vec2u(steps[row + SEED], steps[row + STREAM]));
  let z = vec4f(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
  for (var k = 0u; k < 4u; k++) { // unroll
    if (first + k < COUNT) { y[id.y * COUNT + first + k] = z[k]; }
  }
}
