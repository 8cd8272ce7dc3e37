// x' = x + sqrt(a_t) (P' - P) + omega sqrt(1 - a_t) (e~ - e),                    Jeong et al. 2023, section 3.4
// P' = mean(P~) + (P~ - mean(P~)) std(P) / std(P~) where the row says RESCALE and std(P~) > 0, else P' = P~.
// steps: f32 [N, STEP_FLOATS]; y: f32 [N, COUNT]; p: f32 [2 N, COUNT] = (P; P~); moments: vec2f [2 N], (mean, std) of p.
// lib/output describes x and eps = (e; e~), of 2 N samples.
// If REGIONAL, omega differs from place to place: masks: f32 [REGIONS, PLANE] in [0, 1] and omegas: f32 [REGIONS] are laid
// over the row's omega in their order, omega <- (1 - m) omega + m omegas[r]; every sample reads the same.
// WIDE divides PLANE, too, if REGIONAL.
// import samples, plane, output
override REGIONAL: bool;
override REGIONS: u32;         // uniform

@group(0) @binding(3) var<storage, read> p: array<Block>;
@group(0) @binding(4) var<storage, read> moments: array<vec2f>;
@group(0) @binding(5) var<storage, read> masks: array<Block>;
@group(0) @binding(6) var<storage, read> omegas: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  let signal = step_value(n, SQRT_ALPHA);
  let sigma = step_value(n, SQRT_ONE_MINUS_ALPHA) * step_value(n, EPS_O);   // e~ - e = EPS_O (o~ - o)
  let injected = moments[N + n];
  let rescale = step_value(n, RESCALE) != 0.0 && injected.y > 0.0;
  var ratio = 1.0;
  if (rescale) { ratio = moments[n].y / injected.y; }
  var v = x[id];
  let e = eps[eps_at(n, i)];
  let e_injected = eps[eps_at(N + n, i)];
  let clean = p[id];
  let clean_injected = p[N * (COUNT / WIDE) + id];
  var omega: Block;
  for (var k = 0u; k < WIDE; k++) { omega[k] = step_value(n, OMEGA); } // unroll
  if (REGIONAL) {
    let in_plane = PLANE / WIDE;
    for (var r = 0u; r < REGIONS; r++) {
      let m = masks[r * in_plane + i % in_plane];
      for (var k = 0u; k < WIDE; k++) { omega[k] = (1.0 - m[k]) * omega[k] + m[k] * omegas[r]; } // unroll
    }
  }
  for (var k = 0u; k < WIDE; k++) { // unroll
    let target_clean = select(clean_injected[k], injected.x + (clean_injected[k] - injected.x) * ratio, rescale);
    v[k] += signal * (target_clean - clean[k]) + omega[k] * sigma * (e_injected[k] - e[k]);
  }
  y[id] = v;
}
