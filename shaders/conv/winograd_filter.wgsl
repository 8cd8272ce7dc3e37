// u = G w G^T: 3x3 filters in the transform domain of lib/winograd_domain.   Lavin & Gray 2016
// w: f32 [OC, IC, 3, 3]; u: f32 [SIDE^2, K / UNIT, ROWS, UNIT], 0 past OC rows and IC channels.
// A task is a filter.
// import winograd_domain, lanes
override OC: u32;              // uniform
override IC: u32;              // uniform
override ROWS: u32;            // uniform: of output channels
override K: u32;               // uniform
override UNIT: u32;            // uniform

@group(0) @binding(0) var<storage, read> w: array<array<f32, 9>>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;

// G (a, b, c)^T; what is behind PIXELS does not count.
fn line(a: f32, b: f32, c: f32) -> array<f32, 6> {
  if (STRIDE == 2u) { return array(a, a + c, c, b, b, 0.0); }
  if (M == 2u) {
    let even = 0.5 * (a + c);
    return array(a, even + 0.5 * b, even - 0.5 * b, c, 0.0, 0.0);
  }
  let even = (a + c) / 6.0;
  let even2 = a / 24.0 + c / 6.0;
  return array(a / 4.0, -even - b / 6.0, b / 6.0 - even, even2 + b / 12.0, even2 - b / 12.0, c);
}

fn tasks() -> u32 { return ROWS * K; }

fn task(id: u32) {
  let row = id / UNIT % ROWS;
  let channel = id / (UNIT * ROWS) * UNIT + id % UNIT;
  let there = row < OC && channel < IC;
  let taps = w[min(row, OC - 1u) * IC + min(channel, IC - 1u)];
  var columns: array<array<f32, 6>, 3>;                      // G w
  for (var x = 0u; x < 3u; x++) { columns[x] = line(taps[x], taps[x + 3u], taps[x + 6u]); } // unroll
  for (var i = 0u; i < SIDE; i++) { // unroll
    const p = POSITION[i];
    let values = line(columns[0][p], columns[1][p], columns[2][p]);
    for (var j = 0u; j < SIDE; j++) { u[(i * SIDE + j) * tasks() + id] = select(0.0, values[POSITION[j]], there); } // unroll
  }
}
