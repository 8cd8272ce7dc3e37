// Whether group norm has a scale and shift of its own from the film tensor, as a pipeline constant.
// import film_sizes
override FILM: bool = false;
fn has_film() -> bool { return FILM; }
