// y[p, 2i + a, 2j + b] = x[p, i, j], a and b in {0, 1}.   x: f32 [N, COUNT], COUNT = C H W; y: f32 [N, C, 2 H, 2 W].
// WIDE divides W.
// import pointwise, input
override W: u32;               // uniform: of x
const DOUBLE: u32 = 2u * WIDE;

@group(0) @binding(1) var<storage, read_write> y: array<array<f32, DOUBLE>>;

fn each(n: u32, i: u32, id: u32) {
  let v = x[id];
  var twice: array<f32, DOUBLE>;
  for (var k = 0u; k < WIDE; k++) { // unroll
    twice[2u * k] = v[k];
    twice[2u * k + 1u] = v[k];
  }
  let in_row = W / WIDE;
  let upper = id / in_row * 2u * in_row + id % in_row;
  y[upper] = twice;
  y[upper + in_row] = twice;
}
