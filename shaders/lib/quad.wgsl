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

// A mask of all bits in the lane of each number, 0 in the others.
fn lane_masks(lane: u32) -> vec4u { return select(vec4u(), vec4u(0xffffffffu), vec4u(0u, 1u, 2u, 3u) == vec4u(lane)); }

// What one lane of a quad has, in all four; v is 0 in the others. On a software adapter quadBroadcast takes more instructions,
// and subgroupBroadcast would need all quads of a subgroup to do the same task.
fn shared_value(v: u32) -> u32 {
  let pair = v | quadSwapX(v);
  return pair | quadSwapY(pair);
}
