// Values that count only under a condition, for kernels that ask the same conditions of many: worked out once, a condition is a
// mask, and taken with & it costs an instruction. On a software adapter `select` takes seven, and && makes a branch.

// All bits where `there`.
fn mask_of(there: bool) -> u32 { return select(0u, 0xffffffffu, there); }

// v where the mask has all bits, 0 where it has none.
fn masked(v: f32, mask: u32) -> f32 { return bitcast<f32>(bitcast<u32>(v) & mask); }
