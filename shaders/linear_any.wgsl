// linear.wgsl for any number of columns: y = act(x W^T + b), one row of one sample per lane.
// x: f32 [N, COLUMNS]; weight: f32 [ROWS, COLUMNS]; bias: f32 [ROWS]; y: f32 [N, ROWS].   Dispatch (ceil(ROWS / 64), N, 1)
override SAMPLES: u32;
override ROWS: u32;
override COLUMNS: u32;
override SILU: bool;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ROWS || id.y >= SAMPLES) { return; }
  var z = 0.0;
  for (var k = 0u; k < COLUMNS; k++) { z += weight[id.x * COLUMNS + k] * x[id.y * COLUMNS + k]; }
  z += bias[id.x];
  y[id.y * ROWS + id.x] = select(z, z / (1.0 + exp(-max(z, -80.0))), SILU);   // exp stays finite
}
