// The frame of a kernel that gives every lane a task: calls task(id), which the shader declares, for each of its tasks().
// Dispatch: x = ceil(tasks / WG), folded into two dimensions.
// import grid
const WG: u32 = 64u;

@compute @workgroup_size(WG)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let id = flat(at) * WG + local;
  if (id < tasks()) { task(id); }
}
