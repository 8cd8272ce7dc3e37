// The context of linear attention from its parts: context[z, e, f] = SCALE / (sum of exp(k[e] - p[e])) sum over slices of
// parts[z, slice, e, f], for each sample and head z. lib/linear_keys describes the rest.
// A task is element of the context.
// import linear_attention, linear_keys, lanes
override SLICES: u32;          // uniform
override SCALE: f32;

@group(0) @binding(0) var<storage, read_write> context: array<f32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> peaks: array<vec2f>;

fn tasks() -> u32 { return N * HEADS * (D * D); }

fn task(id: u32) {
  let square = D * D;
  let z = id / square;
  var sum = 0.0;
  for (var s = 0u; s < SLICES; s++) { sum += parts[(z * SLICES + s) * square + id % square]; }
  context[id] = sum * SCALE / peak_of(id / D).y;
}
