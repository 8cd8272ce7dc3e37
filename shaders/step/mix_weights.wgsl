// weights[n] = (a, b) of the mixing rule: the mix is a u + b v.                   Jeong et al. 2023; Shoemake 1985
// Rules (RULE of the step row): SLERP of u and v |u|/|v|, SLERP_RAW of u and v as they are, LERP (1 - g, g), ADD (1, g),
// REPLACE (0, 1), ADD_KEPT (1, g) |u| / |u + g v|. Slerp: a = sin((1 - g) w) / sin w, b = sin(g w) / sin w, cos w = <u, v> / (|u| |v|).
// (1, 0), which keeps u, for g = 0; and for slerp where u = v, where u or v is all zero, and where they are opposite
// (1 + cos w < OPPOSITE: no unique arc). Nearly parallel: lerp, the limit.
// steps: f32 [N, STEP_FLOATS]; partials: vec4f [N, PARTIALS] of step/mix_partials; weights: vec2f [N].
// Tasks: samples. The arc tangent is our own (after Cephes, 1 to 2 ulp): the built-in one is good to 2^-11 only.
// import step_row, trig, group_sum
alias Value = vec4f;
override PARTIALS: u32;        // uniform: of a sample
override SLOT: u32;            // uniform: content, of those of a row
const OPPOSITE = 1e-5;         // w within 0.26 degrees of 180
const PARALLEL = 1e-3;         // w below this: lerp, off by w^2 / 6 < 2e-7
const PI = 3.14159265358979;

@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec2f>;

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
  return select(cosine_near_0(r), sine_near_0(r), steep);
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
  if (rule == LERP) { return vec2f(1.0 - g, g); }
  if (rule == ADD) { return vec2f(1.0, g); }
  if (rule == REPLACE) { return vec2f(0.0, 1.0); }
  if (rule == ADD_KEPT) {
    let squared = sums.x + g * (2.0 * sums.z + g * sums.y);   // |u + g v|^2
    return select(keep, vec2f(1.0, g) * sqrt(sums.x / squared), squared > 0.0);
  }
  let norm_u = sqrt(sums.x);
  let norm_v = sqrt(sums.y);
  if (norm_u == 0.0 || norm_v == 0.0 || sums.w == 0.0) { return keep; }
  let ab = slerp(clamp(sums.z / norm_u / norm_v, -1.0, 1.0), g);
  return select(ab, ab * vec2f(1.0, norm_u / norm_v), rule == SLERP);
}

fn work(n: u32, local: u32) {
  var sums = vec4f();
  for (var i = local; i < PARTIALS; i += LANES) { sums += partials[n * PARTIALS + i]; }
  sums = group_sum(local, sums);
  if (local == 0u) {
    weights[n] = rule_weights(u32(step_value(n, RULE + SLOT)), step_value(n, GAMMA + SLOT), sums);
  }
}
