// y[n] = x[n] + table[labels[n]].   x, y: f32 [N, COUNT]; table: f32 [rows, COUNT]; labels: u32 [N].
// Dispatch (ceil(COUNT / 1024), N, 1)
override COUNT: u32;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = labels[wg.y] * COUNT;
  for (var k = 0u; k < 8u; k++) {
    let i = (wg.x * 8u + k) * 128u + lane;
    if (i >= COUNT) { break; }
    y[wg.y * COUNT + i] = x[wg.y * COUNT + i] + table[row + i];
  }
}
