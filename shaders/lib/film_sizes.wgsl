// Where the film tensor is read: f32 [FILM_N, FILM_COLUMNS], the scales of channels from column FILM_OFFSET on, then the shifts;
// sample n reads n % FILM_N.
override FILM_N: u32 = 1u;     // uniform
override FILM_COLUMNS: u32 = 0u; // uniform
override FILM_OFFSET: u32 = 0u; // uniform
fn film_start(n: u32) -> u32 { return n % FILM_N * FILM_COLUMNS + FILM_OFFSET; }
