// The frame of a kernel as in lib/quad, for any number of workgroups: their quads share the tasks out evenly, and neighbouring
// tasks, which often read the same, go to one quad. The product of quads and tasks is below 2^32.
// Dispatch: folded into two dimensions.
// import grid
enable subgroups;
diagnostic(off, subgroup_uniformity);   // `id` is the same in all lanes of a quad
const WG: u32 = 16u;

@compute @workgroup_size(WG)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let quads = at.count.x * at.count.y * (WG / 4u);
  let quad = flat(at) * (WG / 4u) + local / 4u;
  let end = (quad + 1u) * tasks() / quads;
  for (var id = quad * tasks() / quads; id < end; id++) { task(id, local % 4u); }
}
