// y[n] = [x[n]; skip[n % SKIP_N]] along the channels: lib/joined describes x and skip.
// y: f32 [N, COUNT], COUNT = (C1 + C2) PLANE. WIDE divides C1 PLANE and C2 PLANE.
// import pointwise, joined_blocks

@group(0) @binding(2) var<storage, read_write> y: array<Block>;

fn each(n: u32, i: u32, id: u32) {
  let v = joined_block(n, i);
  y[id] = v;
}
