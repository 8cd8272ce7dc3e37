// y = [a; b] along the batch.   a: f32 [A_N, COUNT]; b: f32 [N - A_N, COUNT]; y: f32 [N, COUNT].
// import pointwise
override A_N: u32;             // uniform

@group(0) @binding(0) var<storage, read> a: array<Block>;
@group(0) @binding(1) var<storage, read> b: array<Block>;
@group(0) @binding(2) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  if (n < A_N) {
    y[id] = a[id];
  } else {
    y[id] = b[id - A_N * (COUNT / WIDE)];
  }
}
