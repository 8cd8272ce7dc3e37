// A product with a tile of one operand held in private memory, DEPTH deep and TILE_N columns a lane, while the rows of the
// other pass by: the constants of it.
override ROWS: u32;            // uniform: rows of a task
const WG: u32 = 4u;
const UNIT: u32 = 64u;         // a multiple of 4; of 8 where weights are f16
const UNITS: u32 = 1u;         // of a pass
const TILE_N: u32 = 8u;
const ONE_PASS: bool = false;  // where K = DEPTH, may be true
const QUARTER: u32 = UNIT / 4u;
const DEPTH: u32 = UNIT * UNITS;

// The k that a lane holds at i of its tile: of each UNIT, quarters by lane.
fn held_at(k0: u32, i: u32, lane: u32) -> u32 {
  return k0 + i / UNIT * UNIT + (lane ^ (i % 4u)) * QUARTER + i % UNIT / 4u;
}
