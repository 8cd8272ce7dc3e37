// y[n, j] = sin or cos of t f_i: sin for the first half of the columns and cos for the second, or, COS_FIRST, the other
// way round; f_i = exp(-ln(1e4) i / (half - SHIFT)), with SHIFT 1 in DDPM and 0 in ADM.
// times: f32 [N, STRIDE], t = column 0; y: f32 [N, CHANNELS], half = CHANNELS / 2; an odd last column is 0.
// GIVEN: f_i = frequencies[i].
// The exponential is our own (after Cephes, 1 to 2 ulp). Products t f_i are rounded to f32 as in the official code.
// Dispatch (ceil(CHANNELS / 64), N, 1)
// import trig
override CHANNELS: u32;        // uniform
override STRIDE: u32;          // uniform: 1, or the length of a step row
override COS_FIRST: bool;
override SHIFT: f32;
override GIVEN: bool = false;
const LN_1E4 = 9.210340371976184;

@group(0) @binding(0) var<storage, read> times: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> frequencies: array<f32>;   // not read unless GIVEN

fn exponential(v: f32) -> f32 {
  let k = round(v * 1.4426950408889634);
  let r = (v - k * 0.693359375) + k * 2.12194440e-4;   // ln 2 in two parts
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  return ldexp(p * r * r + r + 1.0, i32(k));
}

// sin(v + quarters pi / 2) for |v| <= 8192
fn sine(v: f32, quarters: u32) -> f32 {
  let k = round(v * 0.6366197723675814);
  let r = ((v - k * 1.5703125) - k * 4.8375129699707031e-4) - k * 7.5497899548918822e-8;   // pi / 2 in three parts
  let quadrant = (u32(i32(k)) + quarters) & 3u;
  let value = select(sine_near_0(r), cosine_near_0(r), (quadrant & 1u) == 1u);
  return select(value, -value, quadrant >= 2u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= CHANNELS) { return; }
  let half = CHANNELS / 2u;
  let second = id.x >= half;
  let i = select(id.x, id.x - half, second);
  let spacing = f32(LN_1E4) / (f32(half) - SHIFT);
  var frequency = exponential(-spacing * f32(i));
  if (GIVEN) { frequency = frequencies[min(i, arrayLength(&frequencies) - 1u)]; }
  let angle = times[id.y * STRIDE] * frequency;
  let value = sine(angle, select(0u, 1u, second != COS_FIRST));
  y[id.y * CHANNELS + id.x] = select(value, 0.0, id.x >= 2u * half);
}
