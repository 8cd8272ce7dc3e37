// y = sum_s parts[s] + what follows (lib/after): the rest of a convolution whose channels conv/tile or conv/matrix shared out
// among SPLITS workgroups.   parts: f32 [SPLITS, N, OC, PLANE]
// Dispatch: x = ceil(N OC PLANE / 64), folded into two dimensions.
// import store, added_uniform, grid
alias Out = f32;
override PLANE: u32;           // uniform: OH * OW
override SPLITS: u32;          // uniform

@group(0) @binding(4) var<storage, read> parts: array<f32>;

@compute @workgroup_size(64)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let id = flat(at) * 64u + local;
  let count = N * OC * PLANE;
  if (id >= count) { return; }
  let o = id / PLANE % OC;
  let n = id / (OC * PLANE);
  var v = base(n, o);
  for (var s = 0u; s < SPLITS; s++) { v += parts[s * count + id]; }
  store(v, n, o, id % PLANE, PLANE);
}
