// Keys and values behind learned ones: y[n, p, row, j] = memory[p, head, j, e] for j < MEMORY, else qkv[n, 1 + p, row, j - MEMORY],
// with row = head D + e.   qkv: f32 [N, 3, HEADS, D, T]; memory: f32 [2, HEADS, MEMORY, D]; y: f32 [N, 2, HEADS, D, MEMORY + T].
// A task is element of y.
// import linear_qkv, linear_memory, lanes
const WIDE: u32 = 1u;
alias Block = f32;

@group(0) @binding(0) var<storage, read_write> y: array<f32>;

fn tasks() -> u32 { return N * 2u * rows() * (MEMORY + T); }

fn task(id: u32) {
  let length = MEMORY + T;
  let j = id % length;
  let row = id / length % rows();
  let part = id / (length * rows()) % 2u;
  let n = id / (length * rows() * 2u);
  let inside = max(j, MEMORY) - MEMORY;
  let learned = ((part * HEADS + row / D) * MEMORY + min(j, MEMORY - 1u)) * D + row % D;
  y[id] = select(qkv[row_start(n, 1u + part, row) + inside], memory[learned], j < MEMORY);
}
