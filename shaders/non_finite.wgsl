// flag = min(flag, DRAW of the first step row, or 0 without steps) if x holds an infinity or a NaN.
// steps: u32 [.., 32], the step rows by their bits; x: u32 [N, COUNT], f32 by their bits: the exponent is looked at, since
// float comparisons may be compiled as if there were no NaN; flag: u32.   Dispatch (ceil(COUNT / 1024), N, 1)
override COUNT: u32;
override HAS_STEPS: bool;
const DRAW = 10u;
const EXPONENT = 0x7f800000u;
@group(0) @binding(0) var<storage, read> steps: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> flag: atomic<u32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  var found = false;
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    found |= (x[wg.y * COUNT + i] & EXPONENT) == EXPONENT;
  }
  if (!found) { return; }
  var draw = 0u;
  if (HAS_STEPS) { draw = steps[DRAW]; }
  atomicMin(&flag, draw);
}
