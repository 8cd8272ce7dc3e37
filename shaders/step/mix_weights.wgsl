// weights[n] = (a, b) of the mixing rule: the mix is a u + b v.                   Jeong et al. 2023; Shoemake 1985
// Rules (RULE of the step row): 0 slerp of u and v |u|/|v|, 1 slerp of u and v as they are, 2 lerp (1 - g, g),
// 3 add (1, g), 4 replace (0, 1). Slerp: a = sin((1 - g) w) / sin w, b = sin(g w) / sin w, cos w = <u, v> / (|u| |v|).
// (1, 0), which keeps u, for g = 0; and for slerp where u = v, where u or v is all zero, and where they are opposite
// (1 + cos w < OPPOSITE: no unique arc). Nearly parallel: lerp, the limit.
// steps: f32 [N, 32]; partials: vec4f [N, LANES] of mix_partials.wgsl; weights: vec2f [N].   Dispatch (N, 1, 1)
// Arc tangent and sine are our own (after Cephes, 1 to 2 ulp): built-in ones are good to 2^-11 only.
override LANES: u32;           // uniform
override GAMMA: u32;           // uniform: column of gamma
override RULE: u32;            // uniform: column of the rule
const WG: u32 = 4u;            // power of two; one subgroup on the software adapter, where barriers between more are slow
const OPPOSITE = 1e-5;         // w within 0.26 degrees of 180
const PARALLEL = 1e-3;         // w below this: lerp, off by w^2 / 6 < 2e-7
const PI = 3.14159265358979;
@group(0) @binding(0) var<storage, read> steps: array<f32>;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec2f>;
var<workgroup> part: array<vec4f, WG>;

fn group_sum(lane: u32, value: vec4f) -> vec4f {
  part[lane] = value;
  for (var step = WG / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) { part[lane] += part[lane + step]; }
  }
  return workgroupUniformLoad(&part[0]);
}

// v >= 0
fn arc_tangent(v: f32) -> f32 {
  var base = 0.0;
  var r = v;
  if (v > 2.414213562373095) {
    base = PI / 2.0;
    r = -1.0 / v;
  } else if (v > 0.4142135623730950) {
    base = PI / 4.0;
    r = (v - 1.0) / (v + 1.0);
  }
  let z = r * r;
  let p = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1;
  return base + (p * z * r + r);
}

// v in [0, pi]
fn sine(v: f32) -> f32 {
  let folded = min(v, PI - v);
  let steep = folded <= PI / 4.0;
  let r = select(PI / 2.0 - folded, folded, steep);
  let z = r * r;
  let s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  let c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  return select(c, s, steep);
}

fn slerp(cosine: f32, g: f32) -> vec2f {
  if (1.0 + cosine < OPPOSITE) { return vec2f(1.0, 0.0); }
  let w = 2.0 * arc_tangent(sqrt((1.0 - cosine) / (1.0 + cosine)));
  if (w < PARALLEL) { return vec2f(1.0 - g, g); }
  return vec2f(sine((1.0 - g) * w), sine(g * w)) / sine(w);
}

fn rule_weights(rule: u32, g: f32, sums: vec4f) -> vec2f {
  let keep = vec2f(1.0, 0.0);
  if (g == 0.0) { return keep; }
  if (rule == 2u) { return vec2f(1.0 - g, g); }
  if (rule == 3u) { return vec2f(1.0, g); }
  if (rule == 4u) { return vec2f(0.0, 1.0); }
  let norm_u = sqrt(sums.x);
  let norm_v = sqrt(sums.y);
  if (norm_u == 0.0 || norm_v == 0.0 || sums.w == 0.0) { return keep; }
  let ab = slerp(clamp(sums.z / norm_u / norm_v, -1.0, 1.0), g);
  return select(ab, ab * vec2f(1.0, norm_u / norm_v), rule == 0u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  var sums = vec4f();
  for (var i = lane; i < LANES; i += WG) { sums += partials[wg.x * LANES + i]; }
  sums = group_sum(lane, sums);
  if (lane == 0u) { weights[wg.x] = rule_weights(u32(steps[wg.x * 32u + RULE]), steps[wg.x * 32u + GAMMA], sums); }
}
