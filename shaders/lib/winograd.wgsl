// Winograd convolution F(M x M, 3 x 3) (Lavin & Gray 2016), with STRIDE 2 by parts of equal parity (Huang et al. 2020): its
// tiles. They are the columns of a product and run over (sample, tile row, tile column), SAMPLE to each sample, of which those
// past its tiles are padding. A dispatch does those from COL_START on, COLS at most.
// A lane does TILES tiles side by side; TILES divides the tiles in a row and COLS.
override TILES_X: u32;         // uniform: tiles in a row of the output
override SAMPLE: u32;          // uniform: at least the tiles of a sample
override COL_START: u32 = 0u;  // uniform
override COLS: u32;            // uniform
const M: u32 = 4u;             // output pixels along a tile's side: 4 or 2; 2 where STRIDE is 2
const STRIDE: u32 = 1u;
const SIDE: u32 = (M - 1u) * STRIDE + 3u;
const TILES: u32 = 1u;
const NARROW: bool = false;    // weights are f16: their transform keeps them as large and as exact as it can

// Columns that lanes share out, and the first tile, counted over all samples, of a lane's.
fn width() -> u32 { return COLS / TILES; }
fn first_tile(id: u32) -> u32 { return COL_START + id % width() * TILES; }
