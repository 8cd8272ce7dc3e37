// y[n] = x[n] + table[labels[n]].   x, y: f32 [N, COUNT]; table: f32 [rows, COUNT]; labels: u32 [N].
// Dispatch: one lane per WIDE floats of a sample, 64 a workgroup, folded into x and y; z = N.
override COUNT: u32;           // uniform
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing COUNT
@group(0) @binding(0) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(1) var<storage, read> table: array<array<f32, WIDE>>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<array<f32, WIDE>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = COUNT / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= blocks) { return; }
  let n = wg.z;
  var v = x[n * blocks + i];
  let row = table[min(labels[n] * blocks + i, arrayLength(&table) - 1u)];   // the only address that a tensor holds
  for (var k = 0u; k < WIDE; k++) { // unroll
    v[k] += row[k];
  }
  y[n * blocks + i] = v;
}
