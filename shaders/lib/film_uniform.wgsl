// Whether group norm has a scale and shift of its own from the film tensor, as a uniform: on GPUs a branch costs less than a
// pipeline.
// import film_sizes
override FILM: u32 = 0u;       // uniform: 1 or 0
fn has_film() -> bool { return FILM == 1u; }
