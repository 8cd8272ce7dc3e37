// 1x1 convolution for software adapters: lib/conv says of what. A tile of the input is held while output channels pass by, as
// lib/stationary describes. So the input is normalised and activated once for ROWS output channels.
// w: f32, or f16 pairs, [K / UNIT, OC, UNIT], K >= C1 + C2 a multiple of DEPTH, padded with 0. PLANE is a multiple of 4 TILE_N.
// Tasks: ROWS output channels x 4 TILE_N pixels.
// import conv, added, stationary
alias In = array<f32, TILE_N>;
alias Out = array<f32, TILE_N>;
const BUILT_IN: bool = false;
alias Words = array<u32, WORDS>;
override K: u32;               // uniform
const WORDS: u32 = QUARTER / PER_WORD;

struct Own {
  n: u32,
  skip0: u32,
  norm0: u32,
  residual0: u32,
}

fn tasks() -> u32 { return PLANE / (4u * TILE_N) * ceil_div(OC, ROWS) * N; }

fn place_of(id: u32, lane: u32) -> Place {
  let width = PLANE / TILE_N;
  let tiles_p = width / 4u;
  let tiles_m = ceil_div(OC, ROWS);
  let p = id % tiles_p * 4u + lane;                          // in TILE_Ns
  let m0 = id / tiles_p % tiles_m * ROWS;
  let n = id / (tiles_p * tiles_m);
  return Place(
    m0, min(m0 + ROWS, OC), lane, n * OC * width + p, n * C1 * width + p,
    Own(n, skip_start(n) * width + p, norm_start(n), n % RESIDUAL_N * OC * width + p));
}

fn unit_step() -> u32 { return 4u * OC; }
fn row_step() -> u32 { return 4u; }
fn result_step() -> u32 { return PLANE / TILE_N; }

fn column(at: Place, k: u32) -> In {
  let c = min(k, C1 - 1u);                                   // past the last channel the weight is 0
  return prepared_all(at, c, x[at.held0 + c * (PLANE / TILE_N)]);
}

fn has_skip() -> bool { return JOINED; }
fn skip_from() -> u32 { return C1; }

fn skip_column(at: Place, k: u32) -> In {
  let c = min(k, C1 + C2 - 1u);
  return prepared_all(at, c, skip[at.own.skip0 + (c - C1) * (PLANE / TILE_N)]);
}

fn prepared_all(at: Place, c: u32, loaded: In) -> In {
  let affine = affine_at(at.own.norm0 + c);
  var values = loaded;
  for (var j = 0u; j < TILE_N; j++) { values[j] = prepared(values[j], affine); } // unroll
  return values;
}

fn quarter(i: u32) -> Words { return w[i]; }

fn value(words: Words, q: u32) -> f32 { return unpacked(words[q / PER_WORD], q); }

fn first(at: Place, m: u32) -> f32 { return base(at.own.n, m); }

fn residual_at(at: Place, m: u32) -> Out { return residual[at.own.residual0 + m * (PLANE / TILE_N)]; }

fn earlier(i: u32) -> Out { return y[i]; }

fn keep(i: u32, sums: Out) { y[i] = sums; }
