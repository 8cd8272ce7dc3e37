// y[p, 2i + a, 2j + b] = x[p, i, j], a and b in {0, 1}.   x: f32 [PLANES, HEIGHT, WIDTH]; y: f32 [PLANES, 2 HEIGHT, 2 WIDTH]
// Dispatch: one lane per WIDE floats of x, 64 a workgroup, folded into x and y.
override PLANES: u32;          // uniform: N * C
override HEIGHT: u32;          // uniform: of x
override WIDTH: u32;           // uniform: of x
const WIDE: u32 = 16u;         // floats a lane handles at once: 16, 4 or 1, dividing WIDTH
const DOUBLE: u32 = 2u * WIDE;
@group(0) @binding(0) var<storage, read> x: array<array<f32, WIDE>>;
@group(0) @binding(1) var<storage, read_write> y: array<array<f32, DOUBLE>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let in_row = WIDTH / WIDE;
  let i = (wg.y * grid.x + wg.x) * 64u + lane;
  if (i >= PLANES * HEIGHT * in_row) { return; }
  let v = x[i];
  var twice: array<f32, DOUBLE>;
  for (var k = 0u; k < WIDE; k++) { // unroll
    twice[2u * k] = v[k];
    twice[2u * k + 1u] = v[k];
  }
  let upper = i / in_row * 2u * in_row + i % in_row;
  y[upper] = twice;
  y[upper + in_row] = twice;
}
