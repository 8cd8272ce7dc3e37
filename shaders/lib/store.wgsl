// Stores of sums where Out is f32 or a vector of them.
// import after
// Adds the residual to v and writes it to pixel p, of `plane`, of channel o; all count Outs.
fn store(v: Out, n: u32, o: u32, p: u32, plane: u32) {
  var out = v;
  if (has_residual()) { out += residual[(n % RESIDUAL_N * OC + o) * plane + p]; }
  y[(n * OC + o) * plane + p] = out;
}
