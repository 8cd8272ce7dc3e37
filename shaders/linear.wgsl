// y = act(x W^T + b).   x: f32 [SAMPLES, COLUMNS]; weight: f32 [ROWS, COLUMNS]; bias: f32 [ROWS]; y: f32 [SAMPLES, ROWS].
// COLUMNS % 16 == 0.   Dispatch (ceil(ROWS / 256), ceil(SAMPLES / 2), 1)
// A lane makes 4 rows x 2 samples, 16 columns at a time, loaded at once: the few samples stay in cache, and every weight
// is read once for two samples.
override SAMPLES: u32;
override ROWS: u32;
override COLUMNS: u32;
override SILU: bool;
@group(0) @binding(0) var<storage, read> x: array<mat4x4f>;
@group(0) @binding(1) var<storage, read> weight: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn multiply(w: mat4x4f, v: mat4x4f) -> vec4f { return (w[0] * v[0] + w[1] * v[1]) + (w[2] * v[2] + w[3] * v[3]); }

fn store(n: u32, row: u32, sums: vec4f) {
  if (row >= ROWS || n >= SAMPLES) { return; }
  let z = (sums.x + sums.y) + (sums.z + sums.w) + bias[row];
  y[n * ROWS + row] = select(z, z / (1.0 + exp(-max(z, -80.0))), SILU);   // exp stays finite
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x * 256u + lane;
  let n = wg.y * 2u;
  let blocks = COLUMNS / 16u;
  var a0 = vec4f();
  var a1 = vec4f();
  var a2 = vec4f();
  var a3 = vec4f();
  var b0 = vec4f();
  var b1 = vec4f();
  var b2 = vec4f();
  var b3 = vec4f();
  let w0 = min(row, ROWS - 1u) * blocks;
  let w1 = min(row + 64u, ROWS - 1u) * blocks;
  let w2 = min(row + 128u, ROWS - 1u) * blocks;
  let w3 = min(row + 192u, ROWS - 1u) * blocks;
  if (n + 1u < SAMPLES) {
    for (var k = 0u; k < blocks; k++) {
      let u = x[n * blocks + k];
      let v = x[(n + 1u) * blocks + k];
      let m0 = weight[w0 + k];
      a0 += multiply(m0, u);
      b0 += multiply(m0, v);
      let m1 = weight[w1 + k];
      a1 += multiply(m1, u);
      b1 += multiply(m1, v);
      let m2 = weight[w2 + k];
      a2 += multiply(m2, u);
      b2 += multiply(m2, v);
      let m3 = weight[w3 + k];
      a3 += multiply(m3, u);
      b3 += multiply(m3, v);
    }
  } else {
    for (var k = 0u; k < blocks; k++) {
      let u = x[n * blocks + k];
      a0 += multiply(weight[w0 + k], u);
      a1 += multiply(weight[w1 + k], u);
      a2 += multiply(weight[w2 + k], u);
      a3 += multiply(weight[w3 + k], u);
    }
  }
  store(n, row, a0);
  store(n, row + 64u, a1);
  store(n, row + 128u, a2);
  store(n, row + 192u, a3);
  store(n + 1u, row, b0);
  store(n + 1u, row + 64u, b1);
  store(n + 1u, row + 128u, b2);
  store(n + 1u, row + 192u, b3);
}
