// Whether there is a time embedding and a residual, as pipeline constants: a software adapter would load them otherwise.
// import added_sizes
override TEMB: bool = false;
override RESIDUAL: bool = false;
fn has_temb() -> bool { return TEMB; }
fn has_residual() -> bool { return RESIDUAL; }
