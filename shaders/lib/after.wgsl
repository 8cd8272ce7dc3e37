// What follows a convolution's sums: y[n, o, p] = sum + bias[o] + temb[n, o] + residual[n, o, p].
// bias: f32 [OC]; temb: f32 [TEMB_N, TEMB_WIDTH], columns from TEMB_OFFSET on; residual: f32 [RESIDUAL_N, OC, pixels];
// y: f32 [N, OC, pixels]. Tensors with fewer samples than y are read modulo theirs. The shader imports
// added or added_uniform.
// import samples
alias Out = f32;               // element of residual and y
override OC: u32;              // uniform

@group(0) @binding(0) var<storage, read_write> y: array<Out>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> temb: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<Out>;

// What is added to all pixels of channel o of sample n.
fn base(n: u32, o: u32) -> f32 {
  var v = bias[o];
  if (has_temb()) { v += temb[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + o]; }
  return v;
}
