// flag = min(flag, DRAW of the first step row) if x holds an infinity or a NaN.
// steps: u32 [.., 32], the step rows by their bits; x: u32 [N, COUNT], f32 by their bits: the exponent is looked at, since
// float comparisons may be compiled as if there were no NaN; flag: u32.
// Dispatch: one lane per WIDE floats of a sample, 64 a workgroup, folded into x and y; z = N.
override COUNT: u32;           // uniform
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing COUNT
const DRAW = 10u;
const EXPONENT = 0x7f800000u;
@group(0) @binding(0) var<storage, read> steps: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<array<u32, WIDE>>;
@group(0) @binding(2) var<storage, read_write> flag: atomic<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = COUNT / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let v = x[wg.z * blocks + i];
  var found = false;
  for (var k = 0u; k < WIDE; k++) { // unroll
    found |= (v[k] & EXPONENT) == EXPONENT;
  }
  if (found) { atomicMin(&flag, steps[DRAW]); }
}
