// y = sum_s parts[s] + what follows (lib/after): the rest of a convolution whose channels conv/tile or conv/matrix shared out
// among SPLITS workgroups.   parts: f32 [SPLITS, N, OC, PLANE]
// import plane, store, added_uniform, lanes
override SPLITS: u32;          // uniform

@group(0) @binding(4) var<storage, read> parts: array<f32>;

fn tasks() -> u32 { return N * OC * PLANE; }

fn task(id: u32) {
  let o = id / PLANE % OC;
  let n = id / (OC * PLANE);
  var v = base(n, o);
  for (var s = 0u; s < SPLITS; s++) { v += parts[s * tasks() + id]; }
  store(v, n, o, id % PLANE, PLANE);
}
