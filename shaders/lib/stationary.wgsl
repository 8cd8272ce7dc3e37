// Products for software adapters, where private memory at constant addresses feeds arithmetic at no cost, and a load costs as
// much as ten multiply-adds. A quad holds a tile of one operand, DEPTH x TILE_N columns for each of its lanes, while the rows
// of the other pass by. Of UNIT values of a row each lane loads its own quarter, and quadSwap shares the four: at
// [UNIT u + 4q + s] lane l holds k = UNIT u + UNIT / 4 (l ^ s) + q. Where K is more than DEPTH, sums wait in the result for the
// next pass; what that holds before the first counts only where BEGUN, and not ONE_PASS.
//
// The shader declares Own, what it alone has to know of a lane; place_of(id, lane); column(at, k), what is held of k, and
// skip_column(at, k), what is held of those from skip_from() on, where has_skip(); unit_step() from UNIT to UNIT of a row,
// row_step() from row to row, and result_step(); quarter(i) of a row, and value(row, q), number q of it; first, what the sums
// of row m begin with, and residual_at, where has_residual(); earlier(i), the sums of the pass before, and keep.
// import quad_loop, masks
override ROWS: u32;            // uniform: rows of a task
override BEGUN: u32 = 0u;      // uniform: 0 or 1
const WG: u32 = 4u;
const UNIT: u32 = 64u;         // a multiple of 4; of 8 where weights are f16
const UNITS: u32 = 1u;         // of a pass
const TILE_N: u32 = 8u;
const ONE_PASS: bool = false;  // where K = DEPTH, may be true
const QUARTER: u32 = UNIT / 4u;
const DEPTH: u32 = UNIT * UNITS;
alias Columns = array<f32, TILE_N>;

// What a task has to know of its lane: its rows, m0 to m1 - 1, and where rows, results and what is held start.
struct Place {
  m0: u32,
  m1: u32,
  row0: u32,
  result0: u32,
  held0: u32,
  own: Own,
}

var<private> tile: array<Columns, DEPTH>;                    // not of a task, for which it would be zeroed each time

fn task(id: u32, lane: u32) {
  let at = place_of(id, lane);
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var u = 0u; u < UNITS; u++) {
      for (var s = 0u; s < 4u; s++) {                        // two loops: / and % of one index are four divisions each
        let k = k0 + UNIT * u + (lane ^ s) * QUARTER;
        let i = UNIT * u + s;
        var first_part = QUARTER;
        if (has_skip()) { first_part = min(max(skip_from(), k) - k, QUARTER); }
        for (var q = 0u; q < first_part; q++) { tile[i + 4u * q] = column(at, k + q); }
        if (has_skip()) {                                    // in a loop of its own: of an if, both sides are run
          for (var q = first_part; q < QUARTER; q++) { tile[i + 4u * q] = skip_column(at, k + q); }
        }
      }
    }
    let held = tile;
    let row0 = at.row0 + k0 / UNIT * unit_step();
    let starting = mask_of(k0 + BEGUN == 0u);
    for (var m = at.m0; m < at.m1; m++) {
      let row_at = row0 + m * row_step();                    // before the sums: in between, it costs their registers
      let result = at.result0 + m * result_step();
      let begin = first(at, m);
      var sums: Columns;
      if (ONE_PASS) {
        let zero = f32(k0);    // not a constant, so that sums begin, in registers, before the loads
        for (var j = 0u; j < TILE_N; j++) { sums[j] = begin + zero * f32(j + 1u); } // unroll
      } else {
        let before = earlier(result);
        let added = masked(begin, starting);
        for (var j = 0u; j < TILE_N; j++) { sums[j] = added + masked(before[j], ~starting); } // unroll
      }
      if (has_residual()) {
        let other = residual_at(at, m);
        for (var j = 0u; j < TILE_N; j++) { sums[j] += masked(other[j], starting); } // unroll
      }
      for (var u = 0u; u < UNITS; u++) { // unroll
        let row = quarter(row_at + u * unit_step());
        for (var q = 0u; q < QUARTER; q++) { // unroll
          const i = UNIT * u + 4u * q;
          let v0 = value(row, q);
          let v1 = quadSwapX(v0);
          let v2 = quadSwapY(v0);
          let v3 = quadSwapDiagonal(v0);
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i][j] * v0; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 1u][j] * v1; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 2u][j] * v2; } // unroll
          for (var j = 0u; j < TILE_N; j++) { sums[j] += held[i + 3u][j] * v3; } // unroll
        }
      }
      keep(result, sums);
    }
  }
}
