// The input under TILE_Y x TILE_X pixels of a 3x3 convolution with stride 1.
// import window, masks
const TILE_X: u32 = 4u;
const TILE_Y: u32 = 4u;
const COLUMNS: u32 = TILE_X + 2u;
const ROWS: u32 = TILE_Y + 2u;

// Its rows and columns: their offsets within a plane, and masks of those that are inside it.
struct TileWindow {
  rows: array<u32, ROWS>,
  columns: array<u32, COLUMNS>,
  rows_inside: array<u32, ROWS>,
  columns_inside: array<u32, COLUMNS>,
}

// The window from row y0 and column x0 of the padded picture on. Steps are 1, or 0xffffffff to count back.
fn window_at(y0: u32, step_y: u32, x0: u32, step_x: u32) -> TileWindow {
  var at: TileWindow;
  for (var r = 0u; r < ROWS; r++) { // unroll
    at.rows[r] = row_at(y0 + r * step_y - PAD);
    at.rows_inside[r] = mask_of(row_inside(y0 + r * step_y - PAD));
  }
  for (var q = 0u; q < COLUMNS; q++) { // unroll
    at.columns[q] = column_at(x0 + q * step_x - PAD);
    at.columns_inside[q] = mask_of(column_inside(x0 + q * step_x - PAD));
  }
  return at;
}
