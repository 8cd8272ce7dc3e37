// Keys and values behind learned ones: y[n, p, row, j] = memory[p, head, j, e] for j < MEMORY, else qkv[n, 1 + p, row, j - MEMORY],
// with row = head D + e.   qkv: f32 [N, 3, HEADS, D, T]; memory: f32 [2, HEADS, MEMORY, D]; y: f32 [N, 2, HEADS, D, MEMORY + T].
// Dispatch: a lane per element of y, 64 a workgroup, folded into x and y.
// import grid
override N: u32;               // uniform
override HEADS: u32;           // uniform
override D: u32;               // uniform
override T: u32;               // uniform
override MEMORY: u32;          // uniform

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> memory: array<f32>;

@compute @workgroup_size(64)
fn main(at: Grid, @builtin(local_invocation_index) local: u32) {
  let id = flat(at) * 64u + local;
  let length = MEMORY + T;
  let rows = HEADS * D;
  if (id >= N * 2u * rows * length) { return; }
  let j = id % length;
  let row = id / length % rows;
  let part = id / (length * rows) % 2u;
  let n = id / (length * rows * 2u);
  let inside = max(j, MEMORY) - MEMORY;
  let learned = ((part * HEADS + row / D) * MEMORY + min(j, MEMORY - 1u)) * D + row % D;
  y[id] = select(qkv[((n * 3u + 1u + part) * rows + row) * T + inside], memory[learned], j < MEMORY);
}
