// Tiles of a Winograd convolution. They are the columns of a product and run over (sample, tile row, tile column), SAMPLE to
// each sample, of which those past its tiles are padding. A dispatch does those from COL_START on, COLS at most.
// A lane does TILES tiles side by side; TILES divides the tiles in a row and COLS.
// import winograd_domain
override TILES_X: u32;         // uniform: tiles in a row of the output
override SAMPLE: u32;          // uniform: at least the tiles of a sample
override COL_START: u32 = 0u;  // uniform
override COLS: u32;            // uniform
const TILES: u32 = 1u;         // a power of two, so that a shift divides by it, where / takes a software adapter four divisions

// Columns that lanes share out, and the first tile, counted over all samples, of a lane's.
fn width() -> u32 { return COLS >> firstTrailingBit(TILES); }
fn first_tile(id: u32) -> u32 { return COL_START + id % width() * TILES; }
