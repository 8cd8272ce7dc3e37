// y[n, o, p] = bias[o] + temb[n, o] + residual[n, o, p] + sum_s parts[s, n, o, p]: what is left of a convolution whose
// channels conv_tile shared out among SPLITS workgroups.
// parts: f32 [SPLITS, N, OC, PLANE]; bias: f32 [OC]; temb: f32 [TEMB_N, TEMB_WIDTH], columns from TEMB_OFFSET on;
// residual: f32 [RESIDUAL_N, OC, PLANE]; y: f32 [N, OC, PLANE]; fewer samples than y are read modulo theirs.
// Dispatch: x = ceil(N OC PLANE / 64), folded into two dimensions.
override N: u32;               // uniform
override OC: u32;              // uniform
override PLANE: u32;           // uniform: OH * OW
override SPLITS: u32;          // uniform
override TEMB: u32 = 0u;       // uniform: 1: there is one
override RESIDUAL: u32 = 0u;   // uniform
override TEMB_N: u32 = 1u;     // uniform
override TEMB_WIDTH: u32 = 0u; // uniform
override TEMB_OFFSET: u32 = 0u; // uniform
override RESIDUAL_N: u32 = 1u; // uniform

@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> temb: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let id = (wg.y * grid.x + wg.x) * 64u + local;
  let count = N * OC * PLANE;
  if (id >= count) { return; }
  let o = id / PLANE % OC;
  let n = id / (OC * PLANE);
  var v = bias[o];
  for (var s = 0u; s < SPLITS; s++) { v += parts[s * count + id]; }
  if (TEMB == 1u) { v += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
  if (RESIDUAL == 1u) { v += residual[id % (RESIDUAL_N * OC * PLANE)]; }
  y[id] = v;
}
