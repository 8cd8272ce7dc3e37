// The frame of a pointwise kernel: calls each(n, i, id), which the shader declares, for block i of every sample n. Counted
// over all samples, it is block `id`.
// Dispatch (perSample): a lane per block of a sample, 64 a workgroup, folded into x and y; z is the sample.
// import count, blocks, grid

@compute @workgroup_size(64)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let i = flat(at) * 64u + local;
  let blocks = COUNT / WIDE;
  if (i >= blocks) { return; }
  each(at.wg.z, i, at.wg.z * blocks + i);
}
