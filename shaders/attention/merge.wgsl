// The context of linear attention from its parts: context[z, e, f] = SCALE / (sum of exp(k[e] - p[e])) sum over slices of
// parts[z, slice, e, f], for each sample and head z. lib/linear_keys describes the rest.
// Dispatch: a lane per element of the context, 64 a workgroup, folded into x and y.
// import linear_attention, linear_keys, grid
override SLICES: u32;          // uniform
override SCALE: f32;

@group(0) @binding(0) var<storage, read_write> context: array<f32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> peaks: array<vec2f>;

@compute @workgroup_size(64)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let id = flat(at) * 64u + local;
  let square = D * D;
  if (id >= N * HEADS * square) { return; }
  let z = id / square;
  var sum = 0.0;
  for (var s = 0u; s < SLICES; s++) { sum += parts[(z * SLICES + s) * square + id % square]; }
  context[id] = sum * SCALE / peak_of(id / D).y;
}
