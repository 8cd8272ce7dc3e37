// Linear attention: y[f, i] = sum_e context[e, f] softmax_e(q)[e, i], with
// context[e, f] = SCALE sum_j softmax_j(k)[e, j] v[f, j] for each head, over positions j that MEMORY learned ones join.
// lib/linear_qkv and lib/linear_memory have the operands.   Shen et al. 2021
// import samples
override HEADS: u32;           // uniform
override D: u32;               // uniform: channels of a head
override T: u32;               // uniform: positions
const WIDE: u32 = 4u;          // positions read at once: 4 or 1, dividing T

// Rows of q, of k and of v of a sample.
fn rows() -> u32 { return HEADS * D; }
