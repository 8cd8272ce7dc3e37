// Whether there is a time embedding and a residual, as uniforms: on GPUs a branch costs less than a pipeline.
// import added_sizes
override TEMB: u32 = 0u;       // uniform: 1 or 0
override RESIDUAL: u32 = 0u;   // uniform
fn has_temb() -> bool { return TEMB == 1u; }
fn has_residual() -> bool { return RESIDUAL == 1u; }
