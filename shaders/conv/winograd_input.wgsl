// V[t, C_START + c, k] = (B^T d B)[t] of the SIDE x SIDE input tile d of channel c at tile column k: lib/winograd has the tiles.
// d = act((x - mean) * scale + shift), optionally of x enlarged x2 (nearest); 0 outside. [x, skip] takes two dispatches.
// x: f32 [X_N, C, H, W], read modulo its samples; norm: f32 [NORM_N, NORM_C, 4], channels from C_START on;
// v: f32 [SIDE^2, K, COLS]. A dispatch does CHANNELS channels of v: those past C are written as 0.
//
// Tiles side by side share input columns. Where ALIGNED, a lane loads M TILES = X_UNIT columns at once and one more on each
// side: M TILES divides W, with STRIDE and UPSAMPLE 1, PAD 1.
// import samples, winograd_forth, prepared, masks, lanes
override X_N: u32;             // uniform
override C: u32;               // uniform
override C_START: u32 = 0u;    // uniform
override CHANNELS: u32;        // uniform
override K: u32;               // uniform
override NORM_N: u32 = 1u;     // uniform
override NORM_C: u32 = 0u;     // uniform
const ALIGNED: bool = false;
const X_UNIT: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<array<f32, X_UNIT>>;
@group(0) @binding(1) var<storage, read> norm: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> v: array<Tiles>;

fn keep(position: u32, at: u32, values: Tiles) { v[position * width() * K + at] = values; }

fn tasks() -> u32 { return width() * CHANNELS; }

fn task(id: u32) {
  let c = id / width();
  let column = first_tile(id);
  let n = min(column / SAMPLE, N - 1u);                      // past the last tile, columns are padding
  let place = column % SAMPLE;
  let y0 = place / TILES_X * (STEP / UPSAMPLE) - PAD;
  let x0 = place % TILES_X * (STEP / UPSAMPLE) - PAD;        // both wrap above and left of the picture
  let v_at = (C_START + c) * width() + id % width();

  var affine = vec4f();
  if (NORM) { affine = norm[n % NORM_N * NORM_C + C_START + min(c, C - 1u)]; }
  var d: Pixels;
  let across = W >> firstTrailingBit(X_UNIT);
  let plane = (n % X_N * C + min(c, C - 1u)) * H * across;
  if (ALIGNED) {
    let middle = (place % TILES_X) >> firstTrailingBit(TILES);
    let left = max(middle, 1u) - 1u;                         // clamped: what is outside is 0 below
    let right = min(middle + 1u, across - 1u);
    for (var i = 0u; i < ROWS; i++) { // unroll
      let row = plane + min(y0 + i, H - 1u) * across;
      let inner = x[row + middle];
      for (var j = 0u; j < X_UNIT; j++) { d[i][(j + 1u) % COLUMNS] = inner[j]; } // unroll
      d[i][0] = x[row + left][X_UNIT - 1u];
      d[i][COLUMNS - 1u] = x[row + right][0];
    }
  } else {
    var column_at: array<u32, COLUMNS>;
    for (var j = 0u; j < COLUMNS; j++) { column_at[j] = min(x0 + j, W - 1u); } // unroll
    for (var i = 0u; i < ROWS; i++) { // unroll
      let row = plane + min(y0 + i, H - 1u) * across;
      for (var j = 0u; j < COLUMNS; j++) { d[i][j] = x[row + column_at[j]][0]; } // unroll
    }
  }
  var columns_inside: array<u32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { columns_inside[j] = mask_of(x0 + j < W); } // unroll
  for (var i = 0u; i < ROWS; i++) { // unroll
    let row_inside = mask_of((y0 + i < H) & (c < C));
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      const inner = ALIGNED && j > 0u && j < COLUMNS - 1u;
      let inside = select(row_inside & columns_inside[j], row_inside, inner);
      d[i][j] = masked(prepared(d[i][j], affine), inside);
    }
  }
  forth_all(&d, v_at);
}
