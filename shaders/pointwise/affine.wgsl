// y = SCALE x + SHIFT.   x, y: f32 [N, COUNT].
// Dispatch: one lane per WIDE floats of a sample, 64 a workgroup, folded into x and y; z = N.
override COUNT: u32;
override SCALE: f32;
override SHIFT: f32;
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing COUNT
@group(0) @binding(0) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(1) var<storage, read_write> y: array<array<f32, WIDE>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = COUNT / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let n = wg.z;
  var v = x[n * blocks + i];
  for (var k = 0u; k < WIDE; k++) { // unroll
    v[k] = SCALE * v[k] + SHIFT;
  }
  y[n * blocks + i] = v;
}
