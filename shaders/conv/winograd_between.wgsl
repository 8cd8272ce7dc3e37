// From the sums of one Winograd convolution to the tiles of the next, in one dispatch for GPUs: the output transform, which
// makes x; group norm of [x, skip], where NORM; and the input transform of the next convolution. A workgroup does a group of
// channels. What it writes of x it reads again, behind a barrier. Where OUT_COLS is 0, x is there already.
// m: f32 [OUT_SIDE^2, C1, OUT_COLS]; bias: f32 [C1]; added, at most one of: where TEMB, f32 [TEMB_N, TEMB_WIDTH], columns from
// TEMB_OFFSET on for all pixels of a channel; where RESIDUAL, f32 [RESIDUAL_N, C1, H, W].
// x: f32 [N, C1, H, W]; other: skip, f32 [SKIP_N, C2, H, W], where C2 > 0, or the film of lib/group_affine where FILM;
// gamma, beta: f32 [C1 + C2]; v: f32 [SIDE^2, C1 + C2, COLS]. lib/winograd_back and lib/winograd_forth have the transforms, and
// lib/group_moments what a group is.
// other and added are only read. They are bound as x and v are, so that they may lie in the same buffer (src/graph/plan.ts).
// Tasks: N GROUPS.
// import samples, winograd_back, winograd_forth, group_moments, film_uniform, prepared, added_uniform, workgroups
override OUT_TILES_X: u32;     // uniform: as in lib/winograd, of the convolution that makes x
override OUT_TILES_Y: u32;     // uniform
override OUT_SAMPLE: u32;      // uniform
override OUT_COLS: u32;        // uniform

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> other: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<Tiles>;
@group(0) @binding(5) var<storage, read> m: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> added: array<f32>;

fn work(id: u32, local: u32) {
  if (id >= N * GROUPS) { return; }
  let at = group_at(id);
  if (OUT_COLS > 0u) {
    let tiles = OUT_TILES_X * OUT_TILES_Y;
    for (var i = local; i < at.in_x * tiles; i += LANES) { finish_tile(at.n, at.start + i / tiles, i % tiles); }
    storageBarrier();
  }
  var moments = vec3f();
  if (NORM) { moments = moments_of(at, local); }
  for (var i = local; i < at.channels * SAMPLE; i += LANES) { transform_tile(at, moments, i / SAMPLE, i % SAMPLE); }
}

// The pixels of tile `place` of channel c.
fn finish_tile(n: u32, c: u32, place: u32) {
  let column = n * OUT_SAMPLE + place;
  var rows: array<array<f32, 6>, OUT_M>;
  for (var j = 0u; j < OUT_SIDE; j++) { // unroll
    var sums: array<f32, 6>;
    for (var i = 0u; i < OUT_SIDE; i++) { sums[i] = m[((i * OUT_SIDE + j) * C1 + c) * OUT_COLS + column]; } // unroll
    let line = back(sums);
    for (var i = 0u; i < OUT_M; i++) { rows[i][j] = line[i]; } // unroll
  }
  var base = bias[c];
  if (has_temb()) { base += added[n % TEMB_N * TEMB_WIDTH + TEMB_OFFSET + c]; }
  let y0 = place / OUT_TILES_X * OUT_M;
  let x0 = place % OUT_TILES_X * OUT_M;
  for (var i = 0u; i < OUT_M; i++) { // unroll
    let line = back(rows[i]);
    for (var j = 0u; j < OUT_M; j++) { // unroll
      let p = (y0 + i) * W + x0 + j;
      if ((y0 + i < H) & (x0 + j < W)) {
        var value = line[j] + base;
        if (has_residual()) { value += added[(n % RESIDUAL_N * C1 + c) * PLANE + p]; }
        x[(n * C1 + c) * PLANE + p] = value;
      }
    }
  }
}

fn film_at(i: u32) -> f32 { return other[i]; }

fn four(at: Group, i: u32) -> vec4f {
  let in_x = at.in_x * (PLANE / 4u);
  let a = at.x0 + 4u * i;
  let b = at.skip0 + 4u * (i - in_x);
  var values: vec4f;
  if (i < in_x) {
    values = vec4f(x[a], x[a + 1u], x[a + 2u], x[a + 3u]);
  } else {
    values = vec4f(other[b], other[b + 1u], other[b + 2u], other[b + 3u]);
  }
  return values;
}

fn keep(position: u32, at: u32, values: Tiles) { v[position * (C1 + C2) * COLS + at] = values; }

// Tile `place` of channel c of a group.
fn transform_tile(at: Group, moments: vec3f, c: u32, place: u32) {
  let y0 = place / TILES_X * (STEP / UPSAMPLE) - PAD;
  let x0 = place % TILES_X * (STEP / UPSAMPLE) - PAD;        // both wrap above and left of the picture
  var affine = vec4f();
  if (NORM) { affine = norm_row(at.n, at.start + c, C1 + C2, moments); }
  var columns: array<u32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { columns[j] = min(x0 + j, W - 1u); } // unroll
  var d: Pixels;
  if (c < at.in_x) {
    for (var i = 0u; i < ROWS; i++) { // unroll
      let row = at.x0 + c * PLANE + min(y0 + i, H - 1u) * W;
      for (var j = 0u; j < COLUMNS; j++) { d[i][j] = x[row + columns[j]]; } // unroll
    }
  } else {
    for (var i = 0u; i < ROWS; i++) { // unroll
      let row = at.skip0 + (c - at.in_x) * PLANE + min(y0 + i, H - 1u) * W;
      for (var j = 0u; j < COLUMNS; j++) { d[i][j] = other[row + columns[j]]; } // unroll
    }
  }
  for (var i = 0u; i < ROWS; i++) { // unroll
    for (var j = 0u; j < COLUMNS; j++) { // unroll
      d[i][j] = select(0.0, prepared(d[i][j], affine), (y0 + i < H) & (x0 + j < W));
    }
  }
  forth_all(&d, (at.start + c) * COLS + at.n * SAMPLE + place);
}
