// The frame of a kernel whose lanes work in quads: calls task(id, lane), which the shader declares, in the four lanes of each
// of its tasks().
// Dispatch: x = ceil(tasks / (WG / 4)), folded into two dimensions.
// import grid
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `id` is the same in all lanes of a quad
const WG: u32 = 16u;

@compute @workgroup_size(WG)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let id = flat(at) * (WG / 4u) + local / 4u;
  if (id < tasks()) { task(id, local % 4u); }
}
