// The frame of a kernel whose workgroups, of LANES, have a task each: calls work(id, local), which the shader declares, in every
// lane of every workgroup. The last of them may have nothing to do.
// Dispatch: x = tasks, folded into two dimensions.
// import grid
@compute @workgroup_size(LANES)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) { work(flat(at), local); }
