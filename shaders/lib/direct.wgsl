// Direct convolutions: a lane computes TILE_M output channels of a column of TILE_Y pixels, one input channel at a time.
// import conv, added, window, masks, store, grid
const TILE_M: u32 = 16u;
const TILE_Y: u32 = 4u;
const ROWS: u32 = (TILE_Y - 1u) * STRIDE + KERNEL;           // input rows of a column
alias Pixels = array<array<f32, KERNEL>, ROWS>;

// Columns of a plane, which run on from band to band.
fn columns() -> u32 { return ceil_div(OH, TILE_Y) * OW; }

// The input pixels under a column of outputs: their offsets within a plane, and masks of those inside it.
struct Window {
  x0: u32,                     // channels of x, of skip, and rows of norm before sample n
  skip0: u32,
  norm0: u32,
  rows: array<u32, ROWS>,
  columns: array<u32, KERNEL>,
  rows_inside: array<u32, ROWS>,
  columns_inside: array<u32, KERNEL>,
}

fn window_of(n: u32, oy: u32, ox: u32) -> Window {
  var at: Window;
  at.x0 = n * C1;
  at.skip0 = skip_start(n);
  at.norm0 = norm_start(n);
  for (var r = 0u; r < ROWS; r++) { // unroll
    at.rows[r] = row_at(oy * STRIDE + r - PAD);
    at.rows_inside[r] = mask_of(row_inside(oy * STRIDE + r - PAD));
  }
  for (var dx = 0u; dx < KERNEL; dx++) { // unroll
    at.columns[dx] = column_at(ox * STRIDE + dx - PAD);
    at.columns_inside[dx] = mask_of(column_inside(ox * STRIDE + dx - PAD));
  }
  return at;
}

// The pixels of channel c, prepared; 0 outside.
fn gather(at: ptr<function, Window>, pixels: ptr<function, Pixels>, c: u32) {
  let affine = affine_at((*at).norm0 + c);
  if (!JOINED || c < C1) {
    let channel = ((*at).x0 + c) * PLANE;
    for (var r = 0u; r < ROWS; r++) { // unroll
      for (var dx = 0u; dx < KERNEL; dx++) { // unroll
        (*pixels)[r][dx] = x[channel + (*at).rows[r] + (*at).columns[dx]];
      }
    }
  } else {
    let channel = ((*at).skip0 + c - C1) * PLANE;
    for (var r = 0u; r < ROWS; r++) { // unroll
      for (var dx = 0u; dx < KERNEL; dx++) { // unroll
        (*pixels)[r][dx] = skip[channel + (*at).rows[r] + (*at).columns[dx]];
      }
    }
  }
  for (var r = 0u; r < ROWS; r++) { // unroll
    for (var dx = 0u; dx < KERNEL; dx++) { // unroll
      let v = prepared((*pixels)[r][dx], affine);
      (*pixels)[r][dx] = masked(v, (*at).rows_inside[r] & (*at).columns_inside[dx]);
    }
  }
}

// Adds what follows to the sum of channel o at row oy + j of the column, and stores it.
fn finish(sum: f32, added: f32, n: u32, o: u32, oy: u32, ox: u32) {
  if (oy < OH) { store(sum + added, n, o, oy * OW + ox, OH * OW); }
}
